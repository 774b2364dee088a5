// Chromium, and pages in it of which none knows what another one has cached.

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

// Opens the page of page/, and closes it after `work`.
export async function visit(browser, address, pictures, work) {
    const context = await browser.createBrowserContext();
    const page = await context.newPage();
    // One step of page/main.mjs: what it gives, or an error with its `code`.
    const step = async (name, ...args) => {
        const run = (name, args) => globalThis.mcp[name](...args);
        const { value, error } = await page.evaluate(run, name, args);
        if (error) throw Object.assign(new Error(error.message), { code: error.code });
        return value;
    };
    // A failure counts with a picture and without.
    const picture = name => page.screenshot({ path: `${pictures}/${name}.png`, fullPage: true }).catch(() => {});
    try {
        await page.goto(address);
        await work({ page, step, picture });
    } finally {
        await context.close();
    }
}
