// MCP Apps of two servers behind one gateway. A page is the host, and shows the app of each server.

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';

import { visit } from './chromium.mjs';
import { row } from './report.mjs';
import { CLIENTS } from './sdk.mjs';

// The gateway uses one as a modern and the other as a legacy server. So each client also uses a
// server of the other era.
const SERVERS = ['maps', 'shop'];

export async function appsOfServers(browser, { page, apps, pictures }) {
    // The package for hosts of MCP Apps works only with version 2.x of the SDK's client.
    for (const { kind, name, era } of CLIENTS.filter(({ kind }) => kind !== 'version1')) {
        const check = row(`apps, ${name}`, era);
        await visit(browser, page, pictures, async ({ page, step, picture }) => {
            await step('choose', { kind, url: apps.url });
            if (!(await check('connect', () => step('connect', 'none'), picture))) return;
            for (const server of SERVERS) {
                const shown = async () => {
                    const uri = `ui://${server}/view/main.html`;
                    const expected = { uri, read: uri, type: 'text/html;profile=mcp-app' };
                    assert.deepEqual(await step('app', `${server}__show`), expected);
                    await says(page, `${server}, ${server}`);
                };
                await check(server, shown, picture);
            }
        });
    }
}

// Waits until the last app on the page shows `text`.
async function says(page, text) {
    let said;
    for (let tries = 0; tries < 1000; tries += 1) {
        said = await page.frames().at(-1).evaluate(() => document.body.textContent);
        if (said === text) return;
        await sleep(50);
    }
    assert.fail(`the app says ${JSON.stringify(said)}`);
}
