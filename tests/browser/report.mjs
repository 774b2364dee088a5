// The checks and their results. scripts/browser makes a table of them.

const LIMIT_SECONDS = 120;

export const rows = [];

// Adds a row to the table. Returns a function that runs a check and returns whether it passed. If
// it fails, the function calls `onFailure`, which may take a picture of the page.
export function row(client, era) {
    const checks = [];
    rows.push({ client, era, checks });
    return async (name, check, onFailure = () => {}) => {
        try {
            await within(LIMIT_SECONDS, check());
            checks.push({ name });
            return true;
        } catch (error) {
            checks.push({ name, error: error.message.replace(/\n\s*(?=\n|$)/g, '') });
            await onFailure(`${client}-${name}`.replace(/[^\w.]+/g, '-'));
            return false;
        }
    };
}

function within(seconds, work) {
    let timer;
    const late = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`did not end in ${seconds} s`)), seconds * 1000);
    });
    return Promise.race([work, late]).finally(() => clearTimeout(timer));
}
