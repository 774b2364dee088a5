// What was checked, and what came of it: the driver script makes a table of it.

const LIMIT_SECONDS = 15;

export const rows = [];

// One line of that table. Gives what runs a check and tells whether it passed;
// `onFailure` is for a picture of the page as it was then.
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
