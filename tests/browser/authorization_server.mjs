// An OAuth authorization server that signs every user in and gives consent without a question,
// since the tests are about the steps before and after this. Its tokens are for the resource that
// the client names (RFC 8707). Each run has a new signing key.
//
//   node authorization_server.mjs    listens on a free port, and prints it

import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';

import Provider from 'oidc-provider';

const SCOPES = ['weather:read', 'weather:admin'];

const server = createServer().listen(0, '127.0.0.1', () => {
    const issuer = `http://127.0.0.1:${server.address().port}`;
    const provider = new Provider(issuer, configuration());
    const serve = provider.callback();
    server.on('request', (request, response) => {
        if (request.url.startsWith('/interaction/')) return agree(provider, request, response);
        if (request.url === '/reg' && letPagesIn(request, response)) return;
        serve(request, response);
    });
    console.log(`authorization server listening on ${issuer}`);
});

function configuration() {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    return {
        jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), use: 'sig', kid: 'run' }] },
        cookies: { keys: ['run'] },
        scopes: SCOPES,
        // Pages register themselves as clients. The tests outside the browser use this client,
        // which has a secret.
        clients: [
            {
                client_id: 'tests',
                client_secret: 'tests',
                grant_types: ['client_credentials'],
                redirect_uris: [],
                response_types: []
            }
        ],
        findAccount: (_, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
        interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
        features: {
            clientCredentials: { enabled: true },
            devInteractions: { enabled: false },
            registration: { enabled: true },
            resourceIndicators: {
                enabled: true,
                getResourceServerInfo: (_, resource) => ({
                    audience: resource,
                    scope: SCOPES.join(' '),
                    accessTokenFormat: 'jwt'
                })
            }
        },
        ttl: { AccessToken: 3600, ClientCredentials: 3600, Grant: 3600, Interaction: 3600, Session: 3600 }
    };
}

// Finishes login and consent at once, without a question.
async function agree(provider, request, response) {
    const { params } = await provider.interactionDetails(request, response);
    const grant = new provider.Grant({ accountId: 'ann', clientId: params.client_id });
    grant.addOIDCScope(params.scope);
    grant.addResourceScope(params.resource, params.scope);
    const result = { login: { accountId: 'ann' }, consent: { grantId: await grant.save() } };
    await provider.interactionFinished(request, response, result);
}

// The library sends CORS headers on all its endpoints except registration, so they are added here.
// Returns true if the request was a preflight, which is answered now.
function letPagesIn(request, response) {
    response.setHeader('access-control-allow-origin', '*');
    response.setHeader('access-control-allow-headers', 'content-type');
    if (request.method === 'OPTIONS') response.writeHead(204).end();
    return request.method === 'OPTIONS';
}
