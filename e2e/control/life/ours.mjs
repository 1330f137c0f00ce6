// What Segment lacks and the published client does not know: regions, tokens, the write key's switch, the workspace as a document.
import assert from 'node:assert/strict'
import { SUCCESS, has } from './workspace.mjs'

export async function ours(w) {
  const ask = async (method, path, body, status = 200, token = w.token) => {
    const headers = { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }) }
    const response = await fetch(`${w.base}${path}`, { method, headers, body: body && JSON.stringify(body) })
    const answer = { method, path, status: response.status, body: await response.json() }
    w.keep(answer)
    assert.equal(
      answer.status,
      status,
      `${method} ${path} was answered ${answer.status} ${JSON.stringify(answer.body).slice(0, 600)}`,
    )
    w.learn(answer.body)
    return answer.body.data ?? answer.body.errors
  }

  await w.step('the workspace has a region for good, and a plan', async () => {
    const { workspace } = await ask('GET', `/workspaces/${w.workspaceId}`)
    has(workspace, 'id slug name region plan')
    const { regions } = await ask('GET', '/regions')
    const own = regions.find(({ isThisCell }) => isThisCell)
    assert.equal(own.id, workspace.region)
    const other = regions.find(({ isThisCell }) => !isThisCell)
    const [refused] = await ask('PATCH', `/workspaces/${w.workspaceId}`, { region: other.id }, 422)
    assert.equal(refused.field, 'region')
    await ask('PATCH', `/workspaces/${w.workspaceId}`, { name: 'Half done', region: other.id }, 422)
    assert.deepEqual((await ask('GET', `/workspaces/${w.workspaceId}`)).workspace, workspace)
    return [Object.keys(workspace), refused.type]
  })
  await w.step("another region's workspace is not made here, and the answer says where", async () => {
    const { regions } = await ask('GET', '/regions')
    const other = regions.find(({ isThisCell }) => !isThisCell)
    const [refused] = await ask('POST', '/workspaces', { name: 'Elsewhere', slug: 'elsewhere', region: other.id }, 422)
    assert.equal(refused.field, 'region')
    assert.ok(refused.message.includes(other.id), refused.message)
  })
  await w.step("a source chooses among its region's ingest points; the first is preselected", async () => {
    const { ingestPoints } = await ask('GET', '/ingest-points')
    assert.ok(ingestPoints[0].preselected)
    const { source } = await ask('GET', `/sources/${w.shop.id}`)
    assert.equal(source.ingestionRegion, ingestPoints[0].name)
    for (const { name } of [...ingestPoints].reverse()) {
      const { source: changed } = await ask('PATCH', `/sources/${w.shop.id}`, { ingestionRegion: name })
      assert.equal(changed.ingestionRegion, name)
    }
    const [refused] = await ask('PATCH', `/sources/${w.shop.id}`, { ingestionRegion: 'atlantis' }, 422)
    assert.equal(refused.field, 'ingestionRegion')
  })
  await w.step('a write key is switched off and on again', async () => {
    const [key] = w.shop.writeKeys
    const off = await ask('PATCH', `/sources/${w.shop.id}/writekey/${key}`, { enabled: false })
    assert.deepEqual([off.source.writeKeys, off.source.disabledWriteKeys], [[], [key]])
    const on = await ask('PATCH', `/sources/${w.shop.id}/writekey/${key}`, { enabled: true })
    assert.deepEqual([on.source.writeKeys, on.source.disabledWriteKeys], [[key], []])
  })
  await w.step('a token is shown once, does what it may and no more, and ends', async () => {
    const { roles } = await ask('GET', '/roles')
    const reader = roles.find(({ name }) => name === 'Source Read-only')
    const permissions = [{ roleId: reader.id, resources: [{ id: w.shop.id, type: 'SOURCE' }] }]
    const expiresAt = new Date(w.now.getTime() + 86_400_000).toISOString()
    const { token: made } = await ask('POST', '/tokens', { name: 'Reader', permissions, expiresAt }, 201)
    const { tokens } = await ask('GET', '/tokens')
    assert.ok(!JSON.stringify(tokens).includes(made.token), 'the list shows the token')
    const { source } = await ask('GET', `/sources/${w.shop.id}`, undefined, 200, made.token)
    assert.deepEqual(source.writeKeys, [], 'a reader sees the write keys')
    await ask('PATCH', `/sources/${w.shop.id}`, { name: 'Mine' }, 403, made.token)
    await ask('POST', '/tokens', { name: 'More' }, 403, made.token)
    const used = (await ask('GET', '/tokens')).tokens.find(({ id }) => id === made.id)
    assert.ok(used.lastUsedAt, 'its last use is not known')
    assert.deepEqual(await ask('DELETE', `/tokens/${made.id}`), SUCCESS)
    await ask('GET', `/sources/${w.shop.id}`, undefined, 401, made.token)
  })
  await w.step('the workspace is one document; to apply it changes nothing', async () => {
    const { configuration } = await ask('GET', '/configuration')
    const text = JSON.stringify(configuration)
    assert.ok(!text.includes(w.token) && !w.shop.writeKeys.some((key) => text.includes(key)), 'it holds a key')
    const { plan } = await ask('POST', '/configuration/plan', { configuration })
    assert.deepEqual(plan.steps, [])
    const applied = await ask('POST', '/configuration/apply', { configuration })
    assert.deepEqual(applied.plan.steps, [])
    return Object.keys(configuration)
  })
  await w.step('the balance sheet holds', async () => {
    const { balance } = await ask('GET', '/balance')
    assert.equal(balance.holds, true)
  })
}
