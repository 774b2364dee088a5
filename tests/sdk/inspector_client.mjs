// Talks to an MCP server with the command line of the MCP Inspector. `python_client.py` describes
// the arguments and the output. The Inspector opens a connection for each step, lists, calls tools,
// gets prompts and reads resources. It answers no requests of a server.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const COMMANDS = {
    list_tools: () => ['tools/list'],
    list_prompts: () => ['prompts/list'],
    list_resources: () => ['resources/list'],
    list_templates: () => ['resources/templates/list'],
    call: ({ name, arguments: args }) => ['tools/call', '--tool-name', name, '--tool-args-json', JSON.stringify(args)],
    prompt: ({ name, arguments: args }) => [
        'prompts/get',
        '--prompt-name',
        name,
        ...Object.entries(args).flatMap(([key, value]) => ['--prompt-args', `${key}=${value}`])
    ],
    read: ({ uri }) => ['resources/read', '--uri', uri]
};

const options = Object.fromEntries(
    ['mode', 'log', 'elicit', 'sample', 'roots'].map(name => [name, { type: 'string' }])
);
const { values, positionals } = parseArgs({ options, allowPositionals: true });

// The Inspector keeps sessions and secrets in the home directory, so it gets another one. The
// variable must be set before the Inspector is loaded.
process.env.HOME = mkdtempSync(join(tmpdir(), 'inspector-'));
const { runCli } = await import(
    new URL('../node_modules/@modelcontextprotocol/inspector/clients/cli/build/index.js', import.meta.url)
);

const write = process.stdout.write.bind(process.stdout);
const answers = [];
for (const [url, steps] of JSON.parse(positionals[0])) {
    const done = [];
    for (const step of steps) {
        const told = { progress: [], logs: [], elicited: [], sampled: [], rooted: [] };
        done.push({ ...(await run(url, COMMANDS[step.do](step))), ...told });
    }
    answers.push({ steps: done });
}
rmSync(process.env.HOME, { recursive: true, force: true });
write(`${JSON.stringify(answers)}\n`, () => process.exit(0));

async function run(url, method) {
    const command = [url, '--transport', 'http', '--format', 'json', '--protocol-era', values.mode];
    let said = '';
    process.stdout.write = (text, ...rest) => {
        said += text;
        rest.find(one => typeof one === 'function')?.();
        return true;
    };
    try {
        await runCli(['node', 'cli', ...command, '--method', ...method]);
        return { result: JSON.parse(said).result };
    } catch (error) {
        return said ? { result: JSON.parse(said).result } : { error: { code: error.code, message: error.message } };
    } finally {
        process.stdout.write = write;
    }
}
