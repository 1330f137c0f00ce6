// A real OpenID provider on 127.0.0.1 with one client, whose answers can be made hostile.
//
//   node provider.mjs              prints one line: {"issuer", "admin", "clientId", "clientSecret", "modes"}
//   PUT {admin}/redirect           the body is where the client's users are sent back to
//   POST {admin}/MODE              from now on the provider behaves so: a name below, or `honest`
//
// Who signs in types an e-mail address and the password `right`; consent is given without a question. An address that begins
// with `unverified` is one that the provider has not verified, and `nameless` has none.
import http from 'node:http'
import { createHmac, generateKeyPairSync, sign } from 'node:crypto'
import Provider from 'oidc-provider'

const client = { clientId: 'domicile', clientSecret: 'a-secret-that-only-the-tests-know' }
let mode = 'honest'

function rsa(kid) {
  const pair = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const jwk = (key) => ({ ...key.export({ format: 'jwk' }), kid, alg: 'RS256', use: 'sig' })
  return { ...pair, kid, privateJwk: jwk(pair.privateKey), publicJwk: jwk(pair.publicKey) }
}
const [first, second, foreign] = ['first', 'second', 'first'].map(rsa)

const b64 = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')

function signed(header, claims, key) {
  const input = `${b64(header)}.${b64(claims)}`
  return `${input}.${sign('sha256', Buffer.from(input), key.privateKey).toString('base64url')}`
}

const now = () => Math.floor(Date.now() / 1000)
const rs256 = { alg: 'RS256', typ: 'JWT', kid: first.kid }
const again = (change) => (claims) => signed(rs256, { ...claims, ...change(claims) }, first)

// What becomes of the id_token.
const FORGED = {
  'wrong-audience': again(() => ({ aud: 'somebody-else' })),
  'two-audiences': again(({ aud }) => ({ aud: [aud, 'somebody-else'], azp: 'somebody-else' })),
  'wrong-issuer': again(({ iss }) => ({ iss: `${iss}/other` })),
  'wrong-nonce': again(() => ({ nonce: 'of-another-sign-in' })),
  'no-nonce': again(() => ({ nonce: undefined })),
  expired: again(() => ({ iat: now() - 7200, exp: now() - 3600 })),
  'no-expiry': again(() => ({ exp: undefined })),
  'no-subject': again(() => ({ sub: undefined })),
  'alg-none': (claims) => `${b64({ alg: 'none' })}.${b64(claims)}.`,
  'signature-removed': (claims) => signed(rs256, claims, first).replace(/[^.]*$/, ''),
  'claims-changed': (claims) => {
    const [header, , signature] = signed(rs256, claims, first).split('.')
    return `${header}.${b64({ ...claims, email: 'root@acme.example' })}.${signature}`
  },
  'hs256-with-public-key': (claims) => {
    const input = `${b64({ ...rs256, alg: 'HS256' })}.${b64(claims)}`
    const key = first.publicKey.export({ type: 'spki', format: 'pem' })
    return `${input}.${createHmac('sha256', key).update(input).digest('base64url')}`
  },
  'hs256-with-client-secret': (claims) => {
    const input = `${b64({ alg: 'HS256', typ: 'JWT' })}.${b64(claims)}`
    return `${input}.${createHmac('sha256', client.clientSecret).update(input).digest('base64url')}`
  },
  'foreign-key': (claims) => signed(rs256, claims, foreign),
  'key-in-header': (claims) => signed({ ...rs256, kid: undefined, jwk: foreign.publicJwk }, claims, foreign),
  'keys-swapped': (claims) => signed({ ...rs256, kid: second.kid }, claims, second),
  // The keys that it needs are asked for anew, and do not come.
  'keys-not-json': (claims) => signed({ ...rs256, kid: second.kid }, claims, second),
  'not-a-token': () => 'not.a.token',
  'no-token': () => undefined,
}

// What becomes of whole answers: a function of the context after the provider has answered.
const SPOILED = {
  token: {
    'token-500': (ctx) => Object.assign(ctx, { status: 500, body: 'out of order' }),
    'token-not-json': (ctx) => Object.assign(ctx, { type: 'text/html', body: '<p>hello</p>' }),
    'token-huge': (ctx) => (ctx.body = { ...ctx.body, id_token: 'a'.repeat(20 << 20) }),
    'token-redirected': (ctx) => ctx.redirect('http://127.0.0.1:9/token'),
  },
  jwks: {
    'keys-swapped': (ctx) => (ctx.body = { keys: [second.publicJwk] }),
    'keys-not-json': (ctx) => Object.assign(ctx, { type: 'text/html', body: '<p>hello</p>' }),
  },
  discovery: {
    'discovery-wrong-issuer': (ctx) => (ctx.body = { ...ctx.body, issuer: `${ctx.body.issuer}/other` }),
  },
}

const server = http.createServer()
await new Promise((done) => server.listen(0, '127.0.0.1', done))
const issuer = `http://127.0.0.1:${server.address().port}`
function made(redirect) {
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: client.clientId,
        client_secret: client.clientSecret,
        redirect_uris: [redirect],
        grant_types: ['authorization_code'],
        response_types: ['code'],
      },
    ],
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    // Claims are in the id_token, as the large providers have it.
    conformIdTokenClaims: false,
    cookies: { keys: ['only-for-tests'] },
    features: { devInteractions: { enabled: false } },
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => {
        const email = id.startsWith('nameless') ? {} : { email: id, email_verified: !id.startsWith('unverified') }
        return { sub: id, name: id.split('@')[0], ...email }
      },
    }),
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    jwks: { keys: [first.privateJwk] },
    pkce: { required: () => true },
  })
  // A test's tokens are good for a test, not for a browser: plain HTTP on this machine is all there is.
  provider.use(async (ctx, next) => {
    await next()
    const route = ctx.oidc?.route ?? (ctx.path.endsWith('/openid-configuration') ? 'discovery' : '')
    if (route === 'token' && ctx.body?.id_token && FORGED[mode]) {
      const claims = JSON.parse(Buffer.from(ctx.body.id_token.split('.')[1], 'base64url'))
      ctx.body = { ...ctx.body, id_token: FORGED[mode](claims) }
    }
    SPOILED[route]?.[mode]?.(ctx)
  })
  return { provider, callback: provider.callback() }
}

let { provider, callback } = made('http://127.0.0.1/nowhere')
server.on('request', (request, response) => {
  const [, uid, sent] = request.url.match(/^\/interaction\/([\w-]+)(\/login)?$/) ?? []
  ;(uid ? interact(request, response, uid, sent) : callback(request, response))?.catch?.((error) => {
    response.writeHead(500).end(String(error))
  })
})

async function interact(request, response, uid, sent) {
  const { prompt, params, session, grantId } = await provider.interactionDetails(request, response)
  if (prompt.name === 'consent') {
    const grant = grantId ? await provider.Grant.find(grantId) : undefined
    const given = grant ?? new provider.Grant({ accountId: session.accountId, clientId: params.client_id })
    given.addOIDCScope(params.scope)
    const result = { consent: { grantId: await given.save() } }
    return provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true })
  }
  if (!sent) {
    response.writeHead(200, { 'content-type': 'text/html' })
    return response.end(`<!doctype html><title>Sign in</title><form method="post" action="/interaction/${uid}/login">
<input name="email" type="email"><input name="password" type="password"><button>Sign in</button></form>`)
  }
  let body = ''
  for await (const part of request) body += part
  const form = new URLSearchParams(body)
  const result =
    form.get('password') === 'right'
      ? { login: { accountId: form.get('email') } }
      : { error: 'access_denied', error_description: 'the password is wrong' }
  return provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false })
}

const modes = [...new Set(['honest', ...Object.keys(FORGED), ...Object.values(SPOILED).flatMap(Object.keys)])]
const admin = http.createServer(async (request, response) => {
  const wanted = request.url.slice(1)
  if (request.method === 'PUT' && wanted === 'redirect') {
    let body = ''
    for await (const part of request) body += part
    ;({ provider, callback } = made(body))
    return response.writeHead(204).end()
  }
  if (request.method !== 'POST' || !modes.includes(wanted)) return response.writeHead(404).end()
  mode = wanted
  response.writeHead(204).end()
})
await new Promise((done) => admin.listen(0, '127.0.0.1', done))
console.log(JSON.stringify({ issuer, admin: `http://127.0.0.1:${admin.address().port}`, ...client, modes }))
// It ends with whoever started it.
process.stdin.resume().on('end', () => process.exit(0))
