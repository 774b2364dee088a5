// What the tests ask of the servers behind the pages' backs.

// One of the filter's counters; there is none of what never happened.
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
