// Talks to an MCP server with `@modelcontextprotocol/client` 2.x. `python_client.py` describes the
// arguments and the output.

import { Client, LOG_LEVEL_META_KEY, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

import { main } from './script.mjs';

const MODES = { auto: 'auto', modern: { pin: '2026-07-28' }, legacy: 'legacy' };

await main(async ({ url, mode, headers, log, capabilities, ...on }) => {
    const info = { name: 'typescript-client', version: '1.0.0' };
    const client = new Client(info, { capabilities, versionNegotiation: { mode: MODES[mode] } });
    client.setNotificationHandler('notifications/message', on.onLog);
    client.setNotificationHandler('notifications/resources/updated', on.onUpdated);
    if (on.onElicit) {
        client.setRequestHandler('elicitation/create', on.onElicit);
    }
    if (on.onSample) {
        client.setRequestHandler('sampling/createMessage', on.onSample);
    }
    if (on.onRoots) {
        client.setRequestHandler('roots/list', on.onRoots);
    }
    const transport = new StreamableHTTPClientTransport(url, { requestInit: { headers } });
    await client.connect(transport);

    const modern = client.getProtocolEra() === 'modern';
    if (log && !modern && client.getServerCapabilities().logging) {
        await client.setLoggingLevel(log);
    }
    const _meta = log && modern ? { [LOG_LEVEL_META_KEY]: log } : undefined;
    return {
        client,
        protocolVersion: client.getNegotiatedProtocolVersion(),
        // Each step must send a request, and not use the SDK's cache.
        ask: { cacheMode: 'refresh' },
        call: (params, options) => client.callTool({ ...params, _meta }, options),
        close: async () => {
            await transport.terminateSession();
            await client.close();
        }
    };
});
