// An MCP server with an app (MCP Apps), on the official packages. All such servers use the same URI
// for the app and the same name for the tool that shows it, so the gateway must tell them apart.
//
//   app_server.mjs NAME APP.js      listens on a free port, and prints it
//
// APP.js is page/app.mjs, bundled into one file.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

import { RESOURCE_MIME_TYPE, registerAppResource, registerAppTool } from '@modelcontextprotocol/ext-apps/server';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { McpServer, createMcpHandler } from '@modelcontextprotocol/server';

const [, , name, script] = process.argv;
const VIEW = 'ui://view/main.html';
const view = `<!doctype html><meta charset="utf-8"><body><script type="module">${readFileSync(script, 'utf8')}</script>`;

function server() {
    const server = new McpServer({ name, version: '1.0.0' });
    const answer = { content: [{ type: 'text', text: name }], structuredContent: { from: name } };
    const tool = { description: `Shows what ${name} has.`, _meta: { ui: { resourceUri: VIEW } } };
    registerAppTool(server, 'show', tool, async () => answer);
    registerAppResource(server, 'view', VIEW, {}, async uri => ({
        contents: [{ uri: uri.href, mimeType: RESOURCE_MIME_TYPE, text: view }]
    }));
    return server;
}

const http = createServer(toNodeHandler(createMcpHandler(server)));
http.listen(0, '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${http.address().port}/mcp`));
