// A host of MCP Apps on the official package for hosts. It shows the app of a tool.

import { AppBridge, PostMessageTransport, getToolUiResourceUri } from '@modelcontextprotocol/ext-apps/app-bridge';

export async function showApp(client, name) {
    const tool = (await client.listTools()).tools.find(tool => tool.name === name);
    // Throws an error if the URI does not start with `ui://`.
    const uri = getToolUiResourceUri(tool);
    const { contents } = await client.readResource({ uri });
    const [view] = contents;

    const frame = document.createElement('iframe');
    frame.sandbox = 'allow-scripts';
    document.body.append(frame);
    const options = { hostContext: { toolInfo: { tool } } };
    const bridge = new AppBridge(client, { name: 'page', version: '1.0.0' }, { serverTools: {} }, options);
    const ready = new Promise(resolve => (bridge.oninitialized = resolve));
    await bridge.connect(new PostMessageTransport(frame.contentWindow, frame.contentWindow));
    frame.srcdoc = view.text;
    await ready;

    const result = await client.callTool({ name, arguments: {} });
    await bridge.sendToolInput({ arguments: {} });
    await bridge.sendToolResult(result);
    return { uri, read: view.uri, type: view.mimeType };
}
