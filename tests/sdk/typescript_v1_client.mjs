// Talks to an MCP server with `@modelcontextprotocol/sdk` 1.x, which does not support MCP
// 2026-07-28. `python_client.py` describes the arguments and the output.

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import {
    CreateMessageRequestSchema,
    ElicitRequestSchema,
    ListRootsRequestSchema,
    LoggingMessageNotificationSchema,
    ResourceUpdatedNotificationSchema
} from '@modelcontextprotocol/sdk/types.js';

import { main } from './script.mjs';

await main(async ({ url, mode, headers, log, capabilities, ...on }) => {
    if (mode === 'modern') {
        throw new Error('@modelcontextprotocol/sdk 1.x speaks up to 2025-11-25');
    }
    const client = new Client({ name: 'typescript-v1-client', version: '1.0.0' }, { capabilities });
    client.setNotificationHandler(LoggingMessageNotificationSchema, on.onLog);
    client.setNotificationHandler(ResourceUpdatedNotificationSchema, on.onUpdated);
    if (on.onElicit) {
        client.setRequestHandler(ElicitRequestSchema, on.onElicit);
    }
    if (on.onSample) {
        client.setRequestHandler(CreateMessageRequestSchema, on.onSample);
    }
    if (on.onRoots) {
        client.setRequestHandler(ListRootsRequestSchema, on.onRoots);
    }
    const transport = new StreamableHTTPClientTransport(url, { requestInit: { headers } });
    await client.connect(transport);

    if (log && client.getServerCapabilities().logging) {
        await client.setLoggingLevel(log);
    }
    return {
        client,
        protocolVersion: transport.protocolVersion,
        call: (params, options) => client.callTool(params, undefined, options),
        close: async () => {
            await transport.terminateSession();
            await client.close();
        }
    };
});
