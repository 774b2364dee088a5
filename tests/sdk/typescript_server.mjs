// An MCP server on `@modelcontextprotocol/server` 2.x, for modern (2026-07-28) and legacy clients.
//
//   typescript_server.mjs --port N      listens on N (0: any free port), and prints the port
//   typescript_server.mjs --stdio       over stdin and stdout
//
// It has the same tools, prompts and resources as `python_server.py`, and tools for tests of
// sessions. Together they use every feature of MCP that must work through a gateway. The answers
// are always the same.

import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { json } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';

import {
    NodeStreamableHTTPServerTransport,
    localhostHostValidation,
    localhostOriginValidation,
    toNodeHandler,
    toWebRequest
} from '@modelcontextprotocol/node';
import {
    McpServer,
    ResourceTemplate,
    completable,
    createMcpHandler,
    inputRequired,
    inputResponse,
    isLegacyRequest
} from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import * as z from 'zod';

const NOTE_URI = 'fixture://note';
const NOTE = 'Nothing is lost.';
const NAMES = ['Ada', 'Alan', 'Grace'];
const CITIES = ['Berlin', 'Bern', 'Cairo'];
// The pause between two notifications of a tool, so that they arrive before its result.
const STEP_MS = 20;
const WAIT_MS = 6_000;
// How many of these pauses `waited` waits for a cancellation.
const TELLS = 200;

const text = said => ({ type: 'text', text: said });
const note = { type: 'resource', resource: { uri: NOTE_URI, text: NOTE, mimeType: 'text/plain' } };
const startsWith = known => value => known.filter(one => one.startsWith(value));

// The SDK needs a new server object for each modern request and for each legacy session.
function fixture() {
    const server = new McpServer(
        { name: 'typescript-fixture', version: '1.0.0' },
        {
            instructions: 'TypeScript: one of everything.',
            capabilities: { logging: {}, resources: { subscribe: true } },
            cacheHints: { 'tools/list': { ttlMs: 30_000, cacheScope: 'public' } }
        }
    );

    server.registerTool(
        'add',
        {
            description: 'Adds two numbers.',
            inputSchema: z.object({ a: z.number(), b: z.number() }),
            outputSchema: z.object({ sum: z.number() })
        },
        ({ a, b }) => {
            const structuredContent = { sum: a + b };
            return { content: [text(JSON.stringify(structuredContent))], structuredContent };
        }
    );

    server.registerTool(
        'count',
        {
            description: 'Counts, and tells of each number as progress and as a log message.',
            inputSchema: z.object({ to: z.number() })
        },
        async ({ to }, { mcpReq }) => {
            const progressToken = mcpReq._meta?.progressToken;
            for (let number = 1; number <= to; number++) {
                if (progressToken !== undefined) {
                    const params = { progressToken, progress: number, total: to, message: `${number} of ${to}` };
                    await mcpReq.notify({ method: 'notifications/progress', params });
                }
                await mcpReq.log('info', `counted ${number}`);
                await sleep(STEP_MS);
            }
            return { content: [text(`Counted to ${to}.`)] };
        }
    );

    server.registerTool('links', { description: 'Points to the note, and brings it along.' }, () => ({
        content: [{ type: 'resource_link', uri: NOTE_URI, name: 'note', mimeType: 'text/plain' }, note]
    }));

    // The SDK asks the client in the way of the client's version of MCP: with a request to the
    // client (legacy), or with a result that asks for input (modern).
    server.registerTool('ask', { description: 'Asks the user for a name.' }, ({ mcpReq }) => {
        const answer = inputResponse(mcpReq.inputResponses, 'name');
        if (answer.kind !== 'elicit') {
            const requestedSchema = z.object({ name: z.string() });
            const name = inputRequired.elicit({ message: 'What is your name?', requestedSchema });
            return inputRequired({ inputRequests: { name } });
        }
        const said = answer.action === 'accept' ? `Hello, ${answer.content.name}!` : `No name: ${answer.action}.`;
        return { content: [text(said)] };
    });

    server.registerTool('sample', { description: "Asks the client's model for a colour." }, ({ mcpReq }) => {
        const answer = inputResponse(mcpReq.inputResponses, 'colour');
        if (answer.kind !== 'sampling') {
            const messages = [{ role: 'user', content: text('Name a colour.') }];
            const colour = inputRequired.createMessage({ messages, maxTokens: 10 });
            return inputRequired({ inputRequests: { colour } });
        }
        return { content: [text(`The model says: ${answer.result.content.text}`)] };
    });

    server.registerTool('roots', { description: 'Asks the client for its roots.' }, ({ mcpReq }) => {
        const answer = inputResponse(mcpReq.inputResponses, 'roots');
        if (answer.kind !== 'roots') {
            return inputRequired({ inputRequests: { roots: inputRequired.listRoots() } });
        }
        return { content: [text(`Roots: ${answer.roots.map(({ name }) => name).join(', ')}`)] };
    });

    const key = z.object({ key: z.string() });
    server.registerTool(
        'wait',
        { description: 'Waits until it is cancelled, or for as long as nobody should.', inputSchema: key },
        async ({ key }, { mcpReq }) => {
            waits.set(key, 'waiting');
            const progressToken = mcpReq._meta?.progressToken;
            if (progressToken !== undefined) {
                await mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress: 0 } });
            }
            await sleep(WAIT_MS, undefined, { signal: mcpReq.signal }).catch(() => waits.set(key, 'cancelled'));
            return { content: [text('waited')] };
        }
    );

    server.registerTool(
        'waited',
        { description: 'Tells what became of a wait, which it gives some time to end.', inputSchema: key },
        async ({ key }) => {
            for (let tells = 0; tells < TELLS && waits.get(key) !== 'cancelled'; tells++) {
                await sleep(STEP_MS);
            }
            return { content: [text(waits.get(key) ?? 'unknown')] };
        }
    );

    // These two tools have an effect only in a session.
    server.registerTool('touch', { description: 'Tells that the note is another one.' }, async ({ sessionId }) => {
        if (sessionId !== undefined) {
            await server.server.sendResourceUpdated({ uri: NOTE_URI });
        }
        return { content: [text('touched')] };
    });
    server.registerTool('forget', { description: 'Forgets the session that it is called in.' }, ({ sessionId }) => {
        sessions.delete(sessionId);
        return { content: [text('forgotten')] };
    });
    for (const method of ['resources/subscribe', 'resources/unsubscribe']) {
        server.server.setRequestHandler(method, () => ({}));
    }

    server.registerPrompt(
        'greet',
        {
            description: 'Greets somebody, with the note.',
            argsSchema: z.object({ name: completable(z.string(), startsWith(NAMES)) })
        },
        ({ name }) => ({
            messages: [
                { role: 'user', content: text(`Greet ${name}.`) },
                { role: 'user', content: note }
            ]
        })
    );

    const plain = (uri, said) => ({ contents: [{ uri: uri.href, text: said, mimeType: 'text/plain' }] });
    server.registerResource('note', NOTE_URI, { description: 'A sentence.', mimeType: 'text/plain' }, uri =>
        plain(uri, NOTE)
    );
    server.registerResource(
        'city',
        new ResourceTemplate('fixture://city/{city}', { list: undefined, complete: { city: startsWith(CITIES) } }),
        { description: 'What there is to say of a city.', mimeType: 'text/plain' },
        (uri, { city }) => plain(uri, `${city} is a city.`)
    );

    return server;
}

const modern = toNodeHandler(createMcpHandler(fixture, { legacy: 'reject' }));
const sessions = new Map();
// The state of each call of `wait`, by its key.
const waits = new Map();

// The SDK also has a handler for legacy clients without sessions, but with it the server could not
// send requests to the client.
async function openSession() {
    const session = new NodeStreamableHTTPServerTransport({
        sessionIdGenerator: randomUUID,
        onsessioninitialized: id => void sessions.set(id, session),
        onsessionclosed: id => void sessions.delete(id)
    });
    await fixture().connect(session);
    return session;
}

const allows = [localhostHostValidation(), localhostOriginValidation()];

async function serve(request, response) {
    if (request.url !== '/mcp') {
        response.writeHead(404).end();
        return;
    }
    if (!allows.every(allow => allow(request, response))) {
        return;
    }
    // If the body is not JSON, the SDK answers with the error.
    const message = request.method === 'POST' ? await json(request).catch(() => null) : undefined;
    if (!(await isLegacyRequest(await toWebRequest(request, message), message))) {
        await modern(request, response, message);
        return;
    }
    const id = request.headers['mcp-session-id'];
    const session = id === undefined ? await openSession() : sessions.get(id);
    if (session === undefined) {
        const error = { code: -32001, message: 'Session not found' };
        response.writeHead(404, { 'content-type': 'application/json' });
        response.end(JSON.stringify({ jsonrpc: '2.0', error, id: null }));
        return;
    }
    await session.handleRequest(request, response, message);
}

const { values } = parseArgs({ options: { port: { type: 'string' }, stdio: { type: 'boolean' } } });
if (values.stdio) {
    serveStdio(fixture);
} else {
    const http = createServer((request, response) => void serve(request, response));
    http.listen(Number(values.port), '127.0.0.1', () => {
        console.log(`listening on http://127.0.0.1:${http.address().port}/mcp`);
    });
}
