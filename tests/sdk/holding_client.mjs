// The same client as `holding_client.py`, on `@modelcontextprotocol/sdk` 1.x. It takes a URL only.

import { setTimeout as sleep } from 'node:timers/promises';

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

const ANSWERED_WITHIN_MS = 60_000;
const PAUSE_MS = 20;

const described = ({ code, message }) => ({ error: { code, message } });
const options = { timeout: ANSWERED_WITHIN_MS };

let ended = false;
process.stdin.resume().on('end', () => {
    ended = true;
});

const [url, calls] = [new URL(process.argv[2]), JSON.parse(process.argv[3])];
const client = new Client({ name: 'holding-client', version: '1.0.0' }, { capabilities: {} });
const transport = new StreamableHTTPClientTransport(url);
await client.connect(transport);
const seen = new Map();
while (!ended) {
    process.stdout.write(`${JSON.stringify(await turn())}\n`);
    await sleep(PAUSE_MS);
}
await transport.terminateSession();
await client.close();

async function turn() {
    let tools;
    try {
        tools = (await client.listTools(undefined, options)).tools.map(tool => tool.name);
    } catch (error) {
        return described(error);
    }
    for (const name of tools) {
        const [, tool] = name.split('__');
        if (tool in calls) {
            seen.set(name, calls[tool]);
        }
    }
    const told = {};
    for (const [name, args] of seen) {
        told[name] = await call({ name, arguments: args });
    }
    return { tools, calls: told };
}

async function call(params) {
    try {
        const { content } = await client.callTool(params, undefined, options);
        return content.map(part => part.text).join('');
    } catch (error) {
        return described(error);
    }
}
