// Signs in to a cell's console through the provider of provider.mjs, as it should be and as it should not.
//
//   node sign-in.mjs CELL OPERATOR OWNER EMAIL PASSWORD PROVIDER
//
// CELL: its address; OPERATOR, OWNER: tokens of the one who runs the cell and of a workspace's owner; EMAIL, PASSWORD: the owner's;
// PROVIDER: the line that provider.mjs printed.
//
// First it sets the provider up by the API. One line a promise: {"promise", "failed"?}.
import assert from 'node:assert/strict'
import { Browser } from './browser.mjs'

const [cell, operator, owner, email, password, line] = process.argv.slice(2)
const provider = JSON.parse(line)
const DOMAIN = 'oidc.example'
const OLIVE = `olive@${DOMAIN}`

async function step(promise, take) {
  let failed
  try {
    await take()
  } catch (error) {
    failed = error instanceof assert.AssertionError ? error.message : error.stack.split('\n').slice(0, 3).join(' ')
  }
  console.log(JSON.stringify({ promise, failed }))
  return failed === undefined
}

async function api(method, path, body, token = owner) {
  const headers = { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }) }
  const response = await fetch(`${cell}/api${path}`, { method, headers, body: body && JSON.stringify(body) })
  const answer = await response.json()
  assert.ok(response.ok, `${method} ${path} was answered ${response.status} ${JSON.stringify(answer)}`)
  return answer.data
}

const behave = async (mode) => {
  const { status } = await fetch(`${provider.admin}/${mode}`, { method: 'POST' })
  assert.equal(status, 204, `the provider knows no mode ${mode}`)
}

let begin // where a sign-in begins
let answered // where the provider sends the browser back
const isAnswer = (url) => url.startsWith(answered)

// Up to the address at which the provider sends the browser back, which is not asked.
async function upToAnswer(browser, { email = OLIVE, password = 'right' } = {}) {
  const page = await browser.go(begin, { stop: isAnswer })
  if (isAnswer(page.url)) return page.url
  assert.equal(page.status, 200, `${page.url} was answered ${page.status}: ${page.text.slice(0, 300)}`)
  const { url, status, text } = await browser.submit(page, { email, password }, { stop: isAnswer })
  assert.ok(isAnswer(url), `the provider leads to ${url} (${status}): ${text?.slice(0, 300)}`)
  return url
}

async function signIn(browser, person) {
  return back(browser, await upToAnswer(browser, person))
}

// The provider leads the browser back.
const back = (browser, answer) => browser.go(answer, { from: provider.issuer })

const sessions = (browser) =>
  [...browser.cookies].filter(([name]) => name.includes('domicile') && !/oidc|ticket|sign/i.test(name))

// Whether the console lets the browser in.
async function isIn(browser) {
  const response = await browser.ask(`${cell}/`)
  await response.text()
  return response.status === 200
}

// A page that says why, beside the form to try again, and a browser that is not signed in.
async function refused(browser, page, statuses = [400, 401, 403, 502, 503]) {
  assert.ok(statuses.includes(page.status), `was answered ${page.status}: ${page.text.slice(0, 300)}`)
  assert.match(page.headers.get('content-type'), /^text\/html/)
  const [, why] = page.text.match(/role="alert"[^>]*>([^<]+)</) ?? []
  assert.ok(why?.length > 20, `the page does not say why: ${page.text.slice(0, 300)}`)
  assert.ok(!page.text.includes('eyJ'), 'the page shows a token')
  assert.ok(!(await isIn(browser)), 'the browser is signed in')
}

const usersNamed = async (email) =>
  (await api('GET', '/users?pagination%5Bcount%5D=1000')).users.filter((user) => user.email === email)

const ready = await step('a provider is set up by the operator, and its secret is not read back', async () => {
  const {
    workspaces: [workspace],
  } = await api('GET', '/workspaces')
  const path = `/operator/accounts/${workspace.accountId}/identity-providers`
  const asked = {
    name: 'The provider of the tests',
    issuer: provider.issuer,
    clientId: provider.clientId,
    clientSecret: provider.clientSecret,
    domains: [DOMAIN],
    country: 'IE',
  }
  const made = await api('POST', path, asked, operator)
  const listed = await api('GET', path, undefined, operator)
  for (const answer of [made, listed]) {
    assert.ok(!JSON.stringify(answer).includes(provider.clientSecret), 'the secret is in the answer')
  }
  begin = `${cell}/sign-in/oidc/${made.identityProvider.id}`
  answered = `${begin}/answer`
  const { status } = await fetch(`${provider.admin}/redirect`, { method: 'PUT', body: answered })
  assert.equal(status, 204)
  const page = await (await new Browser().ask(`${cell}/sign-in`)).text()
  assert.ok(page.includes(`/sign-in/oidc/${made.identityProvider.id}`), 'the sign-in page does not offer it')
})
if (!ready) process.exit(0)

await step('a provider that calls itself by another name is not followed', async () => {
  await behave('discovery-wrong-issuer')
  const response = await new Browser().ask(begin)
  await behave('honest')
  // What was learned before may be believed still.
  const known = response.headers.get('location')?.startsWith(`${provider.issuer}/`)
  assert.ok(known || response.status >= 400, `was answered ${response.status}`)
})

await step('a sign-in begins with state, nonce and PKCE, never the same twice', async () => {
  const queries = []
  for (let n = 0; n < 2; n += 1) {
    const response = await new Browser().ask(begin)
    assert.ok(response.status >= 300 && response.status < 400, `was answered ${response.status}`)
    const url = new URL(response.headers.get('location'))
    assert.equal(url.origin, provider.issuer)
    queries.push(Object.fromEntries(url.searchParams))
  }
  const [one, other] = queries
  assert.equal(one.response_type, 'code')
  assert.equal(one.client_id, provider.clientId)
  assert.equal(one.redirect_uri, answered)
  assert.equal(one.code_challenge_method, 'S256')
  for (const name of ['state', 'nonce', 'code_challenge']) {
    assert.ok(one[name]?.length >= 22, `${name} is ${one[name]}`)
    assert.notEqual(one[name], other[name], `${name} is the same twice`)
  }
  assert.ok(!JSON.stringify(one).includes(provider.clientSecret), 'the secret is in the address')
})

const first = new Browser()
await step('the first sign-in makes a member with the least rights, and opens the console', async () => {
  assert.equal((await usersNamed(OLIVE)).length, 0)
  const page = await signIn(first)
  assert.equal(page.status, 200, `${page.url} was answered ${page.status}: ${page.text.slice(0, 300)}`)
  assert.equal(new URL(page.url).pathname, '/')
  assert.ok(await isIn(first), 'the console does not let it in')
  const users = await usersNamed(OLIVE)
  assert.equal(users.length, 1, `${users.length} users have this address`)
  const roles = (users[0].permissions ?? []).map(({ roleName }) => roleName)
  assert.deepEqual(roles, ['Workspace Member'], 'the member has rights that nobody gave')
})

await step(
  'the session cookie is for this cell alone, out of reach of scripts, and not the session of before',
  async () => {
    const held = sessions(first)
    assert.equal(held.length, 1, `cookies: ${[...first.cookies.keys()]}`)
    const [[, { value, attributes, line: set }]] = held
    const has = (pattern) =>
      assert.ok(
        attributes.some((one) => pattern.test(one)),
        `${pattern} is not in ${set}`,
      )
    has(/^HttpOnly$/i)
    has(/^SameSite=(Strict|Lax)$/i)
    has(/^Path=\/$/i)
    has(/^Max-Age=\d+$/i)
    assert.ok(!attributes.some((one) => /^Domain/i.test(one)), `${set} names a domain`)
    assert.ok(value.length >= 32, 'its value is short')
  },
)

await step('a session that was there before the sign-in is not gone on with', async () => {
  const [[name]] = sessions(first)
  const victim = new Browser()
  victim.cookies.set(name, { value: 'f'.repeat(64), attributes: [] })
  await signIn(victim)
  const [[, { value }]] = sessions(victim)
  assert.notEqual(value, 'f'.repeat(64))
  assert.ok(await isIn(victim))
  const attacker = new Browser()
  attacker.cookies.set(name, { value: 'f'.repeat(64), attributes: [] })
  assert.ok(!(await isIn(attacker)), 'the session that was brought along is open')
})

await step('whoever signs in again is the same user', async () => {
  const again = new Browser()
  await signIn(again)
  assert.ok(await isIn(again))
  assert.equal((await usersNamed(OLIVE)).length, 1)
})

const good = new Set(['honest', 'keys-swapped', 'discovery-wrong-issuer'])
for (const mode of provider.modes.filter((mode) => !good.has(mode))) {
  await step(`a provider whose answer is "${mode}" signs nobody in`, async () => {
    await behave(mode)
    const browser = new Browser()
    const before = (await usersNamed(OLIVE)).length
    await refused(browser, await signIn(browser))
    assert.equal(sessions(browser).length, 0, 'a session cookie was set')
    assert.equal((await usersNamed(OLIVE)).length, before)
  })
  await behave('honest')
}

await step('a provider that changes its keys is followed, there and back', async () => {
  for (const mode of ['keys-swapped', 'honest']) {
    await behave(mode)
    const browser = new Browser()
    const page = await signIn(browser)
    assert.equal(page.status, 200, `${mode}: was answered ${page.status}: ${page.text.slice(0, 300)}`)
    assert.ok(await isIn(browser), mode)
  }
})

for (const [who, email] of [
  ['whose address is not verified', `unverified@${DOMAIN}`],
  ['without an address', `nameless@${DOMAIN}`],
  ['of another domain', 'olive@elsewhere.example'],
  ['of a domain that ends alike', `olive@not-${DOMAIN}`],
  ['of a domain below', `olive@sub.${DOMAIN}`],
]) {
  await step(`somebody ${who} is not let in`, async () => {
    const browser = new Browser()
    await refused(browser, await signIn(browser, { email }))
    assert.equal((await usersNamed(email)).length, 0, 'a user was made')
  })
}

await step('whoever the provider turns away is told so', async () => {
  const browser = new Browser()
  await refused(browser, await signIn(browser, { password: 'wrong' }))
})

await step('an answer is good once', async () => {
  const browser = new Browser()
  const answer = await upToAnswer(browser)
  const before = new Map(browser.cookies)
  await back(browser, answer)
  assert.ok(await isIn(browser))
  const thief = new Browser()
  thief.cookies = before
  await refused(thief, await back(thief, answer))
})

await step('an answer is good only in the browser that began', async () => {
  const answer = await upToAnswer(new Browser())
  const other = new Browser()
  await refused(other, await back(other, answer))
  const begun = new Browser()
  await begun.ask(begin)
  await refused(begun, await back(begun, answer))
})

for (const [what, change] of [
  [
    'another state',
    (query) =>
      query.set(
        'state',
        query.get('state').replace(/^./, (c) => (c === 'A' ? 'B' : 'A')),
      ),
  ],
  ['no state', (query) => query.delete('state')],
  ['two states', (query) => query.append('state', 'x')],
  ['another code', (query) => query.set('code', 'no-such-code')],
  ['no code', (query) => query.delete('code')],
  ['a code of 10,000 characters', (query) => query.set('code', 'c'.repeat(10_000))],
  ['another issuer', (query) => query.set('iss', 'https://evil.example')],
]) {
  await step(`an answer with ${what} signs nobody in`, async () => {
    const browser = new Browser()
    const url = new URL(await upToAnswer(browser))
    change(url.searchParams)
    await refused(browser, await back(browser, url))
  })
}

await step('the code of one sign-in is of no use in another', async () => {
  const theirs = new URL(await upToAnswer(new Browser()))
  const browser = new Browser()
  const own = new URL(await upToAnswer(browser))
  own.searchParams.set('code', theirs.searchParams.get('code'))
  await refused(browser, await back(browser, own))
})

await step('a code that was used already signs nobody in', async () => {
  const browser = new Browser()
  const used = new URL(await upToAnswer(browser))
  await back(browser, used)
  const later = new Browser()
  const own = new URL(await upToAnswer(later))
  own.searchParams.set('code', used.searchParams.get('code'))
  await refused(later, await back(later, own))
})

await step('nobody is led out of the cell by an address that is brought along', async () => {
  for (const name of ['next', 'return_to', 'redirect', 'redirect_uri', 'url']) {
    const browser = new Browser()
    const response = await browser.ask(`${begin}?${name}=https%3A%2F%2Fevil.example%2F`)
    const to = response.headers.get('location') ?? ''
    assert.ok(!to.includes('evil.example'), `${name}: leads to ${to}`)
  }
})

await step('a provider that is not there is said so', async () => {
  const page = await new Browser().go(`${cell}/sign-in/oidc/no-such-provider`)
  assert.equal(page.status, 404, page.text.slice(0, 200))
})

await step('no page of a sign-in is kept, framed, or tells another site where it was', async () => {
  const browser = new Browser()
  const answer = await upToAnswer(browser)
  const pages = [
    await browser.ask(answer),
    await new Browser().ask(answer),
    await new Browser().ask(`${cell}/sign-in`),
    await browser.ask(`${cell}/`),
  ]
  for (const { status, url, headers } of pages) {
    const policy = headers.get('content-security-policy') ?? ''
    const at = `${new URL(url).pathname} (${status})`
    assert.match(headers.get('cache-control') ?? '', /no-store/, `${at}: cache-control`)
    assert.match(headers.get('referrer-policy') ?? '', /no-referrer|same-origin/, `${at}: referrer-policy`)
    if (status >= 300 && status < 400) continue
    assert.match(policy, /frame-ancestors 'none'/, `${at}: content-security-policy is ${policy}`)
    assert.ok(!/unsafe-inline|unsafe-eval|\*/.test(policy.replace(/style-src[^;]*/, '')), `${at}: ${policy}`)
    assert.equal(headers.get('x-content-type-options'), 'nosniff', at)
  }
})

await step('whoever signs out is out, also with the cookie of before', async () => {
  const browser = new Browser()
  await signIn(browser)
  const before = new Map(browser.cookies)
  assert.ok(await isIn(browser))
  await browser.go(`${cell}/sign-out`, { method: 'POST', headers: { origin: cell, 'sec-fetch-site': 'same-origin' } })
  assert.ok(!(await isIn(browser)))
  browser.cookies = before
  assert.ok(!(await isIn(browser)), 'the old cookie opens the console')
})

const form = (fields, headers) => ({
  method: 'POST',
  headers: { origin: cell, 'sec-fetch-site': 'same-origin', ...headers },
  body: new URLSearchParams(fields),
})

await step('an owner signs in by password', async () => {
  const browser = new Browser()
  const page = await browser.go(`${cell}/sign-in`, form({ email, password }))
  assert.equal(page.status, 200, `was answered ${page.status}: ${page.text.slice(0, 300)}`)
  assert.ok(await isIn(browser))
})
await step('a form of another site signs nobody in', async () => {
  for (const headers of [
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { origin: 'https://evil.example', 'sec-fetch-site': undefined },
  ]) {
    const sent = form({ email, password }, headers)
    for (const name of Object.keys(sent.headers)) if (sent.headers[name] === undefined) delete sent.headers[name]
    const browser = new Browser()
    await refused(browser, await browser.go(`${cell}/sign-in`, sent), [403])
  }
})
await step('whether there is such a person is not said, and wrong passwords are slowed', async () => {
  const tried = []
  for (const person of [email, 'nobody@acme.example']) {
    const answers = []
    for (let n = 0; n < 8 && answers.at(-1)?.status !== 429; n += 1) {
      const page = await new Browser().go(`${cell}/sign-in`, form({ email: person, password: `wrong-${n}` }))
      answers.push({
        status: page.status,
        text: page.text.replace(/\d+ s/, 'N s'),
        after: page.headers.get('retry-after'),
      })
    }
    const last = answers.at(-1)
    assert.equal(
      last.status,
      429,
      `${answers.length} wrong passwords are answered ${answers.map(({ status }) => status)}`,
    )
    assert.ok(Number(last.after) > 0, `Retry-After: ${last.after}`)
    tried.push(answers.map(({ status, text }) => ({ status, text })))
  }
  assert.deepEqual(tried[0], tried[1])
  const browser = new Browser()
  await refused(browser, await browser.go(`${cell}/sign-in`, form({ email, password })), [429])
})

await step('a member who was removed is out at once', async () => {
  const [{ id }] = await usersNamed(OLIVE)
  assert.ok(await isIn(first))
  await api('DELETE', `/users?userIds%5B0%5D=${id}`)
  assert.ok(!(await isIn(first)), 'the session is still open')
})
