// Requests that the tests send to Envoy and to the authorization server themselves, and not through
// a page.

// The value of one of the filter's counters. Envoy does not show a counter that was never
// increased, so this returns 0.
export async function counter(envoy, name) {
    const text = await (await fetch(`${envoy.admin}/stats?filter=^wasmcustom.mcp.${name}$`)).text();
    return Number(text.match(/: (\d+)/)?.[1] ?? 0);
}

// A token with these scopes for the server behind this Envoy.
export async function token(issuer, envoy, scope) {
    const answer = await fetch(`${issuer}/token`, {
        method: 'POST',
        headers: { authorization: `Basic ${btoa('tests:tests')}` },
        body: new URLSearchParams({ grant_type: 'client_credentials', resource: envoy.url, scope })
    });
    const body = await answer.json();
    if (!answer.ok) throw new Error(`no token: ${JSON.stringify(body)}`);
    return body.access_token;
}
