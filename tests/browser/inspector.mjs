// The MCP Inspector on the command line. It runs in Node.js and not in a page, but its requests
// pass through the same filters of Envoy.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { row } from './report.mjs';
import { TOOLS } from './sdk.mjs';
import { counter, token } from './servers.mjs';

const PROGRAM = fileURLToPath(new URL('../node_modules/.bin/mcp-inspector', import.meta.url));
// The Inspector keeps sessions and secrets in the home directory, so it gets another one.
const HOME = fileURLToPath(new URL('../inspector', import.meta.url));

export async function inspector({ envoy, issuer }) {
    const reader = await token(issuer, envoy, 'weather:read');
    for (const era of ['modern', 'legacy']) {
        const check = row('inspector --cli', era);
        const ask = (...method) => run(envoy.url, reader, '--protocol-era', era, '--method', ...method);
        const initialized = await counter(envoy, 'requests.lifecycle');
        await check('list', async () => {
            const { tools } = await ask('tools/list');
            assert.deepEqual(tools.map(({ name }) => name).sort(), TOOLS);
        });
        await check('call', async () => {
            const weather = ['--tool-name', 'get_weather', '--tool-arg', 'city=Berlin'];
            const { structuredContent } = await ask('tools/call', ...weather);
            assert.equal(structuredContent.celsius, 14);
        });
        // The answers do not show which era the Inspector has used. The filter's counter of
        // `initialize` does.
        await check('era', async () => {
            const requests = (await counter(envoy, 'requests.lifecycle')) - initialized;
            assert.equal(requests > 0, era === 'legacy', `${requests} times initialize`);
        });
    }
}

async function run(url, token, ...options) {
    const target = ['--cli', url, '--transport', 'http', '--header', `Authorization: Bearer ${token}`];
    const command = [PROGRAM, ...target, '--format', 'json', ...options];
    const limits = { timeout: 120_000, env: { ...process.env, HOME } };
    try {
        const { stdout } = await promisify(execFile)(process.execPath, command, limits);
        return JSON.parse(stdout).result;
    } catch (error) {
        // The original error would show the command, which contains the token.
        throw new Error(error.stderr || error.code);
    }
}
