// The common part of the two TypeScript clients: the command line, the steps and the output.
// `python_client.py` describes them.

import { EventEmitter, once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';

// If the gateway does not answer, the test must fail and not wait forever.
const CONNECTED_WITHIN_MS = 60_000;
const STEP_WITHIN_MS = 8_000;
// After this time, a call is cancelled even if it has reported no progress.
const STARTED_WITHIN_MS = 1_000;
const UPDATED_WITHIN_MS = 3_000;

const MODES = ['auto', 'modern', 'legacy'];
const OPTIONS = {
    mode: { type: 'string', default: 'auto' },
    header: { type: 'string', multiple: true, default: [] },
    log: { type: 'string' },
    elicit: { type: 'string' },
    sample: { type: 'string' },
    roots: { type: 'string' }
};

const LISTS = {
    list_tools: ['listTools', 'tools'],
    list_prompts: ['listPrompts', 'prompts'],
    list_resources: ['listResources', 'resources'],
    list_templates: ['listResourceTemplates', 'resourceTemplates']
};

// Emits an event for each notification that a step may wait for.
const signals = new EventEmitter();
const updates = [];

// Only the answer may be on stdout, so the messages of the SDKs go to stderr.
console.log = console.info = console.debug = console.error;

// Runs the steps of the command line over connections that `connect` opens, and prints the results.
export async function main(connect) {
    const { values, positionals } = parseArgs({ options: OPTIONS, allowPositionals: true });
    if (!MODES.includes(values.mode)) {
        throw new Error(`no such mode: ${values.mode}`);
    }
    const answers = [];
    for (const [url, steps] of JSON.parse(positionals[0])) {
        answers.push(await talk(connect, values, url, steps).catch(error => ({ error: described(error) })));
    }
    // The streams of a failed connection could keep the process alive for some time, so it is ended
    // here.
    process.stdout.write(`${JSON.stringify(answers)}\n`, () => process.exit());
}

async function talk(connect, values, url, steps) {
    updates.length = 0;
    const pairs = values.header.map(header => header.match(/^([^:]+):\s*(.*)$/).slice(1));

    let seen = nothing();
    const capabilities = {};
    const handlers = {
        onLog: ({ params }) => void seen.logs.push(params),
        onUpdated: ({ params }) => {
            updates.push(params);
            signals.emit('updated');
        }
    };
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

    if (values.roots !== undefined) {
        capabilities.roots = {};
        handlers.onRoots = () => {
            seen.rooted.push({});
            return { roots: [{ uri: values.roots, name: 'root' }] };
        };
    }

    const asked = { url: new URL(url), mode: values.mode, headers: Object.fromEntries(pairs), log: values.log };
    const open = () => within(CONNECTED_WITHIN_MS, connect({ ...asked, capabilities, ...handlers }));
    let connection = await open();
    const { client, protocolVersion } = connection;
    const done = [];
    for (const step of steps) {
        seen = nothing();
        let outcome;
        try {
            if (step.do === 'reconnect') {
                // If the old connection cannot be closed properly, the test does not fail.
                await within(STEP_WITHIN_MS, connection.close()).catch(() => {});
                connection = await open();
                outcome = { result: {} };
            } else if (step.do === 'pause') {
                await pause(step.file);
                outcome = { result: {} };
            } else {
                outcome = { result: await within(STEP_WITHIN_MS, perform(connection, step, seen)) };
            }
        } catch (error) {
            outcome = { error: described(error) };
        }
        done.push({ ...outcome, ...seen });
    }
    const about = { serverInfo: client.getServerVersion(), capabilities: client.getServerCapabilities() };
    await within(STEP_WITHIN_MS, connection.close());
    return { protocolVersion, ...about, steps: done };
}

function nothing() {
    return { progress: [], logs: [], elicited: [], sampled: [], rooted: [] };
}

function within(ms, work) {
    let timer;
    const late = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error('nothing came in time')), ms);
    });
    return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

async function pause(file) {
    writeFileSync(`${file}.here`, '');
    while (!existsSync(file)) {
        await sleep(50);
    }
}

function perform({ client, call, ask }, { do: what, progress, ...params }, seen) {
    const onprogress = told => {
        seen.progress.push(told);
        signals.emit('progress');
    };
    if (what in LISTS) {
        const [method, key] = LISTS[what];
        return pages(params => client[method](params, ask), key);
    }
    switch (what) {
        case 'call':
            return call(params, progress ? { onprogress } : {});
        case 'cancel':
            return cancel(signal => call(params, { onprogress, signal }));
        case 'prompt':
            return client.getPrompt(params);
        case 'read':
            return client.readResource(params, ask);
        case 'complete':
            return client.complete(params);
        case 'subscribe':
            return client.subscribeResource(params);
        case 'updated':
            return updated();
        case 'ping':
            return client.ping();
        default:
            throw new Error(`no such step: ${what}`);
    }
}

// Without progress, the call is cancelled after the time limit. The tool `waited` says later
// whether the cancellation has reached the server.
async function cancel(call) {
    const abort = new AbortController();
    const called = call(abort.signal).catch(() => {});
    await within(STARTED_WITHIN_MS, once(signals, 'progress')).catch(() => {});
    abort.abort();
    await called;
    return {};
}

async function updated() {
    if (updates.length === 0) {
        await within(UPDATED_WITHIN_MS, once(signals, 'updated'));
    }
    return updates.shift();
}

// The first page of the list, with the entries of all pages.
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
