// A page with a token: what it can do, and which errors it sees.

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';

import { visit } from './chromium.mjs';
import { isLegacy, TOOLS } from './sdk.mjs';
import { counter, token } from './servers.mjs';

export async function withToken(check, browser, { kind, era }, { page, envoy, issuer, pictures }) {
    const admin = await token(issuer, envoy, 'weather:admin');
    const reader = await token(issuer, envoy, 'weather:read');
    const preflights = await counter(envoy, 'preflight');

    await visit(browser, page, pictures, async ({ step, picture }) => {
        const see = (name, work) => check(name, work, picture);
        let session;
        await step('choose', { kind, url: envoy.url });

        const connected = await see('connect', async () => {
            const found = await step('connect', admin);
            session = found.session;
            assert.equal(found.version, era);
            assert.equal(found.server, 'weather');
            // The page can read this header only if the server exposes it.
            assert.equal(session !== undefined, isLegacy(era), 'whether there is a session');
        });
        if (!connected) return;
        await see('list', async () => assert.deepEqual((await step('list')).sort(), TOOLS));
        await see('call', async () => {
            const { structuredContent } = await step('call', 'get_weather', { city: 'Berlin' });
            assert.equal(structuredContent.celsius, 14);
        });
        await see("server's error", () =>
            assert.rejects(step('call', 'nobody', {}), { code: -32602, message: /tool not found/ })
        );
        await see("filter's error", () =>
            assert.rejects(step('send', '{"jsonrpc":'), { code: 400, message: /"error":\{"code":-32700/ })
        );
        if (isLegacy(era)) {
            await see('event stream', () => eventStream(step));
            await see('end of session', () => endOfSession(step, admin, session));
        }
        await see('403', async () => {
            await step('connect', reader);
            await step('call', 'get_weather', { city: 'Berlin' });
            await assert.rejects(step('call', 'list_cities', {}), { code: 403, message: /RBAC: access denied/ });
        });
        // Since the first preflight, the page has sent requests with other headers and methods. The
        // answer to the first preflight must allow all of them.
        await see('one preflight', async () =>
            assert.equal((await counter(envoy, 'preflight')) - preflights, 1, 'preflights that Envoy has seen')
        );
    });
}

// The client opens the event stream by itself, soon after it has connected.
async function eventStream(step) {
    const opened = ({ method, status, type }) =>
        method === 'GET' && status === 200 && type === 'text/event-stream';
    for (let tries = 0; tries < 1000; tries += 1) {
        if ((await step('answers')).some(opened)) return;
        await sleep(50);
    }
    assert.fail(`no event stream among ${JSON.stringify(await step('answers'))}`);
}

async function endOfSession(step, token, session) {
    await step('end');
    const { method, status } = (await step('answers')).at(-1);
    assert.equal(method, 'DELETE');
    assert.ok(status < 300, `DELETE gives ${status}`);
    const later = await step('fetch', {
        method: 'POST',
        headers: {
            authorization: `Bearer ${token}`,
            'content-type': 'application/json',
            accept: 'application/json, text/event-stream',
            'mcp-session-id': session
        },
        body: '{"jsonrpc":"2.0","id":1,"method":"tools/list"}'
    });
    assert.equal(later, 404, 'a request in the session that has ended');
}
