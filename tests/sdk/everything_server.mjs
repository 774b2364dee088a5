// `@modelcontextprotocol/server-everything` as it is, which takes its port from the environment and
// does not say when it listens. It knows legacy clients only, and listens on all addresses.
//
//   everything_server.mjs --port N      0 takes any free port and says which

import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';

const { values } = parseArgs({ options: { port: { type: 'string' } } });
const probe = createServer().listen(Number(values.port), '127.0.0.1');
await once(probe, 'listening');
const { port } = probe.address();
probe.close();
await once(probe, 'close');

process.env.PORT = port;
// Nothing but the line below is to look like it.
const complain = console.error;
console.log = console.error = (said, ...more) => {
    if (!String(said).includes('listening on')) {
        complain(said, ...more);
    }
};
await import('@modelcontextprotocol/server-everything/dist/transports/streamableHttp.js');

for (let listens = false; !listens; await sleep(10)) {
    const socket = connect(port, '127.0.0.1');
    listens = await once(socket, 'connect').then(() => true, () => false);
    socket.destroy();
}
process.stdout.write(`listening on http://127.0.0.1:${port}/mcp\n`);
