// A page that knows only the URL of the server. Its first request is refused with a 401, which
// names the authorization server. The page gets a token there, and calls a tool.

import assert from 'node:assert/strict';

import { visit } from './chromium.mjs';

export async function withLogin(check, browser, { kind, era }, { page: address, envoy, issuer, pictures }) {
    await visit(browser, address, pictures, async ({ page, step, picture }) => {
        await step('choose', { kind, url: envoy.url });

        const told = async () => {
            const { status, location, metadata } = await step('discover');
            assert.equal(status, 401);
            assert.equal(location, new URL('/.well-known/oauth-protected-resource/mcp', envoy.url).href);
            assert.deepEqual(metadata, {
                resource_name: 'Weather',
                resource: envoy.url,
                authorization_servers: [issuer],
                bearer_methods_supported: ['header'],
                scopes_supported: ['weather:read', 'weather:admin']
            });
        };
        const signsIn = async () => {
            const { error, to } = await step('authorize');
            assert.match(error, /Unauthorized/);
            assert.equal(new URL(to).origin, issuer);
            // The authorization server signs the user in without a question, and sends the browser
            // back to the page at once.
            await Promise.all([page.waitForNavigation(), page.evaluate(to => location.assign(to), to)]);
            assert.equal(new URL(page.url()).origin, new URL(address).origin, `the page is at ${page.url()}`);
            await step('choose', { kind, url: envoy.url });
            assert.equal((await step('finish')).version, era);
            const { structuredContent } = await step('call', 'get_weather', { city: 'Berlin' });
            assert.equal(structuredContent.celsius, 14);
        };
        if (await check('401', told, picture)) await check('login', signsIn, picture);
    });
}
