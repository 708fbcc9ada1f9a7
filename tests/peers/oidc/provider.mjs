// A real OpenID Connect provider (npm oidc-provider) for the tests. Everybody who types a name of ACCOUNTS is that person.
// argv: the path of this folder's node_modules' parent is the working directory; settings come as JSON in SETTINGS.
import { createRequire } from 'node:module';
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { pathToFileURL } from 'node:url';

const require = createRequire(process.cwd() + '/');
const { default: Provider } = await import(pathToFileURL(require.resolve('oidc-provider')).href);
const settings = JSON.parse(process.env.SETTINGS);

const server = createServer();
await new Promise((done) => server.listen(settings.port, '127.0.0.1', done));
const issuer = `http://127.0.0.1:${server.address().port}`;

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const key = { ...privateKey.export({ format: 'jwk' }), kid: settings.kid, use: 'sig', alg: 'ES256' };

const provider = new Provider(issuer, {
  clients: [{
    client_id: 'khien',
    client_secret: settings.secret,
    redirect_uris: [settings.back],
    post_logout_redirect_uris: [settings.home],
    response_types: ['code'],
    grant_types: ['authorization_code'],
    id_token_signed_response_alg: 'ES256',
  }],
  pkce: { required: () => true },
  jwks: { keys: [key] },
  cookies: { keys: ['only for tests'] },
  claims: { openid: ['sub'], identity: ['citizen_id'] },
  scopes: ['openid', 'identity'],
  conformIdTokenClaims: settings.conform,
  ttl: { IdToken: settings.id_token_s, Session: 600, Interaction: 600, Grant: 600, AccessToken: 600, AuthorizationCode: 60 },
  features: {
    devInteractions: { enabled: true },
    rpInitiatedLogout: { enabled: true } },
  findAccount: (ctx, id) => (id in settings.accounts
    ? { accountId: id, claims: () => ({ sub: id, citizen_id: settings.accounts[id] }) }
    : undefined),
});
server.on('request', provider.callback());
console.log(JSON.stringify({ issuer }));
