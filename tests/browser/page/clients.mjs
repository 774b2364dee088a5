// The official clients. Each one is created as its documentation says.

import * as current from '@modelcontextprotocol/client';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import * as old from '@modelcontextprotocol/sdk/client/auth.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

const info = { name: 'page', version: '1.0.0' };

const version2 = mode => ({
    auth: current,
    transport: (url, options) => new current.StreamableHTTPClientTransport(url, options),
    client: () => new current.Client(info, { versionNegotiation: { mode } }),
    version: client => client.getNegotiatedProtocolVersion(),
    finish: (transport, parameters) => transport.finishAuth(parameters)
});

const version1 = {
    auth: old,
    transport: (url, options) => new StreamableHTTPClientTransport(url, options),
    client: () => new Client(info),
    version: (_, transport) => transport.protocolVersion,
    finish: (transport, parameters) => transport.finishAuth(parameters.get('code'))
};

export const clients = {
    auto: version2('auto'),
    pinned: version2({ pin: '2026-07-28' }),
    legacy: version2('legacy'),
    version1
};
