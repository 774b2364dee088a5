// An app: it shows whose tool it was shown for, and whose answers when it calls the tool
// itself, by the name that its host knows.

import { App } from '@modelcontextprotocol/ext-apps';

const app = new App({ name: 'app', version: '1.0.0' });
app.ontoolresult = async ({ structuredContent }) => {
    const { name } = app.getHostContext().toolInfo.tool;
    const again = await app.callServerTool({ name, arguments: {} });
    document.body.textContent = `${structuredContent.from}, ${again.structuredContent.from}`;
};
await app.connect();
