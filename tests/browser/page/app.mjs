// An app of MCP Apps. It shows which server has sent the result that its host gives it. Then it
// calls the tool itself, by the name that the host knows, and shows which server has answered.

import { App } from '@modelcontextprotocol/ext-apps';

const app = new App({ name: 'app', version: '1.0.0' });
app.ontoolresult = async ({ structuredContent }) => {
    const { name } = app.getHostContext().toolInfo.tool;
    const again = await app.callServerTool({ name, arguments: {} });
    document.body.textContent = `${structuredContent.from}, ${again.structuredContent.from}`;
};
await app.connect();
