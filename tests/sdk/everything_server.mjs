// Starts `@modelcontextprotocol/server-everything`. This server reads its port from the
// environment, does not print when it is ready, supports only legacy clients, and listens on all
// addresses.
//
//   everything_server.mjs --port N      listens on N (0: any free port), and prints the port

import { Server } from 'node:net';
import { parseArgs } from 'node:util';

const { values } = parseArgs({ options: { port: { type: 'string' } } });
// The server asks for the port of its environment. A port that is free now could be taken by then,
// so it gets any free port here.
const listen = Server.prototype.listen;
Server.prototype.listen = function (_port, ...rest) {
    this.once('listening', () => process.stdout.write(`listening on http://127.0.0.1:${this.address().port}/mcp\n`));
    return listen.call(this, Number(values.port), '127.0.0.1', ...rest);
};
// The server's own lines with this text must not reach stdout, since the test waits for the line
// above.
const complain = console.error;
console.log = console.error = (said, ...more) => {
    if (!String(said).includes('listening on')) {
        complain(said, ...more);
    }
};
await import('@modelcontextprotocol/server-everything/dist/transports/streamableHttp.js');
