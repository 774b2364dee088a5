// A page that uses an MCP server on another origin. The tests call `mcp.*`, one
// step each, and get what the page could see; the page shows it, too, for whoever
// looks at a picture of it.

import { clients } from './clients.mjs';
import { showApp } from './host.mjs';
import { login } from './login.mjs';

let kind, url, client, transport;
// Of every answer that reached the page.
const answers = [];
// Goes out in place of the client's next message.
let spoiled;

async function watchedFetch(target, init = {}) {
    const response = await fetch(target, spoiled && init.body ? { ...init, body: spoiled } : init);
    const { status, headers } = response;
    answers.push({ method: init.method ?? 'GET', status, type: headers.get('content-type') });
    return response;
}

const connection = options => clients[kind].transport(new URL(url), { ...options, fetch: watchedFetch });

async function connect(options) {
    transport = connection(options);
    client = clients[kind].client();
    await client.connect(transport);
    return {
        version: clients[kind].version(client, transport),
        server: client.getServerVersion()?.name,
        session: transport.sessionId
    };
}

const steps = {
    choose(settings) {
        ({ kind, url } = settings);
    },

    connect: token => connect({ requestInit: { headers: { authorization: `Bearer ${token}` } } }),
    list: async () => (await client.listTools()).tools.map(({ name }) => name),
    call: (name, args) => client.callTool({ name, arguments: args }),
    async send(body) {
        spoiled = body;
        await client.callTool({ name: 'list_cities' }).finally(() => (spoiled = undefined));
    },
    end: () => transport.terminateSession(),
    answers: () => answers,
    app: name => showApp(client, name),

    // Without a client.
    fetch: async init => (await fetch(url, init)).status,

    // What the client makes of a refusal for want of a token.
    async discover() {
        const { extractWWWAuthenticateParams, discoverOAuthProtectedResourceMetadata } = clients[kind].auth;
        const response = await fetch(url, { headers: { accept: 'text/event-stream' } });
        const { resourceMetadataUrl } = extractWWWAuthenticateParams(response);
        const metadata = await discoverOAuthProtectedResourceMetadata(url, { resourceMetadataUrl });
        return { status: response.status, location: resourceMetadataUrl?.href, metadata };
    },
    // The first half of signing in: where the client wants to send the user.
    async authorize() {
        const error = await connect({ authProvider: login }).then(() => 'connected without a token', String);
        return { error, to: login.authorizationUrl() };
    },
    // The second half: the user is back, and has brought a code.
    async finish() {
        await clients[kind].finish(connection({ authProvider: login }), new URLSearchParams(location.search));
        return connect({ authProvider: login });
    }
};

// JSON-RPC's code or, where it was none, HTTP's.
const failure = error => ({ code: error.status ?? error.code, message: String(error) });

const show = text => document.body.append(`${text}\n`);

globalThis.mcp = Object.fromEntries(
    Object.entries(steps).map(([name, step]) => {
        const shown = async (...args) => {
            const work = (async () => step(...args))();
            const result = await work.then(value => ({ value }), error => ({ error: failure(error) }));
            show(`${name} ${JSON.stringify(result, null, 2)}`);
            return result;
        };
        return [name, shown];
    })
);
show(`${location.origin} with ${navigator.userAgent}`);
