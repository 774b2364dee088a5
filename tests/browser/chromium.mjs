// Starts Chromium, and opens pages in it. Each page has a cache of its own.

import { launch } from 'puppeteer-core';

const FLAGS = [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync'
];

export const start = executablePath => launch({ executablePath, args: FLAGS, headless: true, pipe: true });

// Opens the page in the folder page/, and closes it after `work`.
export async function visit(browser, address, pictures, work) {
    const context = await browser.createBrowserContext();
    const page = await context.newPage();
    // Runs one step of page/main.mjs. Returns its value, or throws its error with its `code`.
    const step = async (name, ...args) => {
        const run = (name, args) => globalThis.mcp[name](...args);
        const { value, error } = await page.evaluate(run, name, args);
        if (error) throw Object.assign(new Error(error.message), { code: error.code });
        return value;
    };
    // If the picture cannot be taken, the check has failed all the same.
    const picture = name => page.screenshot({ path: `${pictures}/${name}.png`, fullPage: true }).catch(() => {});
    try {
        await page.goto(address);
        await work({ page, step, picture });
    } finally {
        await context.close();
    }
}
