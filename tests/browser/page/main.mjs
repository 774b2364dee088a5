// A page that uses an MCP server on another origin. The tests call the functions `mcp.*`. Each
// function is one step, and returns what the page could see. The page also shows the results, so
// that they are in the picture of a failure.

import { clients } from './clients.mjs';
import { showApp } from './host.mjs';
import { login } from './login.mjs';

let kind, url, client, transport;
// The method, the status and the content type of each answer that has reached the page.
const answers = [];
// If this is set, it replaces the body of the client's next message.
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

    // Sends a request without an MCP client.
    fetch: async init => (await fetch(url, init)).status,

    // What the client learns from the 401 to a request without a token.
    async discover() {
        const { extractWWWAuthenticateParams, discoverOAuthProtectedResourceMetadata } = clients[kind].auth;
        const response = await fetch(url, { headers: { accept: 'text/event-stream' } });
        const { resourceMetadataUrl } = extractWWWAuthenticateParams(response);
        const metadata = await discoverOAuthProtectedResourceMetadata(url, { resourceMetadataUrl });
        return { status: response.status, location: resourceMetadataUrl?.href, metadata };
    },
    // The first part of the login: returns the URL to which the client wants to send the user.
    async authorize() {
        const error = await connect({ authProvider: login }).then(() => 'connected without a token', String);
        return { error, to: login.authorizationUrl() };
    },
    // The second part of the login: the user has come back with a code in the URL.
    async finish() {
        await clients[kind].finish(connection({ authProvider: login }), new URLSearchParams(location.search));
        return connect({ authProvider: login });
    }
};

// The `code` is the status of HTTP if the error has one, and otherwise the code of JSON-RPC.
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
