// A gateway with a list of allowed origins. A page of such an origin connects. A page of another
// origin gets no answer, even with a valid token.

import assert from 'node:assert/strict';

import { visit } from './chromium.mjs';
import { row } from './report.mjs';
import { token } from './servers.mjs';

export async function originList(browser, { page, foreignPage, restricted: envoy, issuer, pictures }) {
    const check = row('origin list', '');
    const admin = await token(issuer, envoy, 'weather:admin');

    await visit(browser, page, pictures, async ({ step, picture }) => {
        await step('choose', { kind: 'auto', url: envoy.url });
        await check('its page connects', () => step('connect', admin), picture);
    });
    await visit(browser, foreignPage, pictures, async ({ page, step, picture }) => {
        await step('choose', { kind: 'auto', url: envoy.url });
        await check('another does not', () => assert.rejects(step('connect', admin), /Failed to fetch/), picture);
        const refused = async () => {
            const status = await statusOnTheWire(page, 'POST');
            // A request with plain text needs no preflight, so Chromium sends it.
            const text = { method: 'POST', body: '{}' };
            await assert.rejects(step('fetch', text), /Failed to fetch/);
            assert.equal(await status(), 403);
        };
        await check('its request is 403', refused, picture);
    });
}

// The status of the response to the page's next request with this method. Chromium does not give it
// to the page, but to the debugger, in two events that may come in any order.
async function statusOnTheWire(page, method) {
    const debug = await page.createCDPSession();
    await debug.send('Network.enable');
    const { promise, resolve } = Promise.withResolvers();
    const requests = {};
    const learn = (id, fact) => {
        requests[id] = { ...requests[id], ...fact };
        if (requests[id].method === method && requests[id].status) resolve(requests[id].status);
    };
    debug.on('Network.requestWillBeSent', event => learn(event.requestId, { method: event.request.method }));
    debug.on('Network.responseReceivedExtraInfo', event => learn(event.requestId, { status: event.statusCode }));
    return () => promise;
}
