// What the two TypeScript clients have in common: the command line, the steps and the answer.
// `python_client.py` describes them.

import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';

// A gateway that hangs must fail the test and not hang it too.
const TIMEOUT_MS = 20_000;

const MODES = ['auto', 'modern', 'legacy'];
const OPTIONS = {
    mode: { type: 'string', default: 'auto' },
    header: { type: 'string', multiple: true, default: [] },
    log: { type: 'string' },
    elicit: { type: 'string' },
    sample: { type: 'string' }
};

const LISTS = {
    list_tools: ['listTools', 'tools'],
    list_prompts: ['listPrompts', 'prompts'],
    list_resources: ['listResources', 'resources'],
    list_templates: ['listResourceTemplates', 'resourceTemplates']
};

// The answer is alone on stdout, whatever the SDKs have to say.
console.log = console.info = console.debug = console.error;

// Does what the command line says over the connection that `connect` makes, and tells what it saw.
export async function main(connect) {
    setTimeout(() => end({ error: { message: `nothing within ${TIMEOUT_MS} ms` } }, 1), TIMEOUT_MS);
    try {
        end(await talk(connect), 0);
    } catch (error) {
        end({ error: described(error) }, 1);
    }
}

// The streams of a connection that has failed may keep the process for a while yet.
function end(answer, code) {
    process.stdout.write(`${JSON.stringify(answer)}\n`, () => process.exit(code));
}

async function talk(connect) {
    const { values, positionals } = parseArgs({ options: OPTIONS, allowPositionals: true });
    if (!MODES.includes(values.mode)) {
        throw new Error(`no such mode: ${values.mode}`);
    }
    const [url, script] = positionals;
    const steps = JSON.parse(script ?? (await text(process.stdin)));
    const pairs = values.header.map(header => header.match(/^([^:]+):\s*(.*)$/).slice(1));

    let seen = nothing();
    const capabilities = {};
    const handlers = { onLog: ({ params }) => void seen.logs.push(params) };
    if (values.elicit !== undefined) {
        capabilities.elicitation = {};
        handlers.onElicit = ({ params }) => {
            seen.elicited.push(params);
            return { action: 'accept', content: JSON.parse(values.elicit) };
        };
    }
    if (values.sample !== undefined) {
        capabilities.sampling = {};
        handlers.onSample = ({ params }) => {
            seen.sampled.push(params);
            return { role: 'assistant', content: { type: 'text', text: values.sample }, model: 'fixed' };
        };
    }

    const asked = { url: new URL(url), mode: values.mode, headers: Object.fromEntries(pairs), log: values.log };
    const connection = await connect({ ...asked, capabilities, ...handlers });
    const done = [];
    for (const step of steps) {
        seen = nothing();
        let outcome;
        try {
            outcome = { result: await perform(connection, step, progress => void seen.progress.push(progress)) };
        } catch (error) {
            outcome = { error: described(error) };
        }
        done.push({ ...outcome, ...seen });
    }
    const { client, protocolVersion } = connection;
    const about = { serverInfo: client.getServerVersion(), capabilities: client.getServerCapabilities() };
    await connection.close();
    return { protocolVersion, ...about, steps: done };
}

function nothing() {
    return { progress: [], logs: [], elicited: [], sampled: [] };
}

function perform({ client, call, ask }, { do: what, progress, ...params }, onprogress) {
    if (what in LISTS) {
        const [method, key] = LISTS[what];
        return pages(params => client[method](params, ask), key);
    }
    switch (what) {
        case 'call':
            return call(params, progress ? { onprogress } : {});
        case 'prompt':
            return client.getPrompt(params);
        case 'read':
            return client.readResource(params, ask);
        case 'complete':
            return client.complete(params);
        case 'ping':
            return client.ping();
        default:
            throw new Error(`no such step: ${what}`);
    }
}

// The first page, with the entries of all.
async function pages(list, key) {
    const { nextCursor, ...whole } = await list();
    for (let cursor = nextCursor; cursor !== undefined; ) {
        const page = await list({ cursor });
        whole[key].push(...page[key]);
        cursor = page.nextCursor;
    }
    return whole;
}

function described({ code, message, data, cause }) {
    return { code, message: cause ? `${message}: ${cause.message}` : message, data };
}
