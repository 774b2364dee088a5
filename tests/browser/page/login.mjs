// The provider that both SDKs require for a login. It keeps its data in the session storage, since
// the page is loaded again after the visit to the authorization server.

const read = name => JSON.parse(sessionStorage.getItem(name)) ?? undefined;
const write = name => value => sessionStorage.setItem(name, JSON.stringify(value));

export const login = {
    redirectUrl: location.origin + '/',
    clientMetadata: {
        client_name: 'page',
        redirect_uris: [location.origin + '/'],
        grant_types: ['authorization_code'],
        response_types: ['code'],
        token_endpoint_auth_method: 'none'
    },
    clientInformation: () => read('client'),
    saveClientInformation: write('client'),
    tokens: () => read('tokens'),
    saveTokens: write('tokens'),
    codeVerifier: () => read('verifier'),
    saveCodeVerifier: write('verifier'),
    discoveryState: () => read('discovery'),
    saveDiscoveryState: write('discovery'),
    // A real page would go to this URL now. Here the test does this, so that it can check the
    // redirects.
    redirectToAuthorization: url => write('authorize')(url),
    authorizationUrl: () => read('authorize')
};
