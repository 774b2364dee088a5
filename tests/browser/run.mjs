// Runs all checks, and prints the results as JSON.
//
//   node run.mjs '{"chromium": …, "page": …, "envoy": {"url": …, "admin": …}, …}'

import { appsOfServers } from './apps.mjs';
import { start } from './chromium.mjs';
import { inspector } from './inspector.mjs';
import { originList } from './origins.mjs';
import { row, rows } from './report.mjs';
import { CLIENTS } from './sdk.mjs';
import { withLogin } from './with_login.mjs';
import { withToken } from './with_token.mjs';

const setting = JSON.parse(process.argv[2]);
const browser = await start(setting.chromium);
try {
    // The checks run one after another, since the filter counts the preflights of all pages
    // together.
    for (const client of CLIENTS) {
        const check = row(client.name, client.era);
        await withToken(check, browser, client, setting);
        await withLogin(check, browser, client, setting);
    }
    await originList(browser, setting);
    await appsOfServers(browser, setting);
} finally {
    await browser.close();
}
await inspector(setting);
console.log(JSON.stringify(rows));
