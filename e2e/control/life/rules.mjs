// What may come and what becomes of it: tracking plans, transformations, regulations and suppressions.
import assert from 'node:assert/strict'
import { SUCCESS, has, source } from './workspace.mjs'

export async function plans(w) {
  const { sources, trackingPlans: api } = w.apis
  const schema = (properties) => ({
    $schema: 'http://json-schema.org/draft-07/schema#',
    type: 'object',
    properties: { properties: { type: 'object', properties } },
  })
  const rule = (key, properties) => ({ type: 'TRACK', key, jsonSchema: schema(properties), version: 1 })

  await w.step('a tracking plan is created, renamed and listed by type', async () => {
    const { trackingPlan } = await w.data(() =>
      api.createTrackingPlan({ name: 'Shop plan', description: 'all of it', type: 'LIVE' }),
    )
    w.plan = has(trackingPlan, 'id type name createdAt updatedAt')
    assert.deepEqual(await w.data(() => api.updateTrackingPlan(w.plan.id, { name: 'Plan of the shop' })), SUCCESS)
    const read = await w.data(() => api.getTrackingPlan(w.plan.id))
    assert.equal(read.trackingPlan.name, 'Plan of the shop')
    assert.equal(read.trackingPlan.description, 'all of it')
    const live = await w.all((page) => api.listTrackingPlans(page, 'LIVE'), 'trackingPlans')
    assert.deepEqual(
      live.map(({ id }) => id),
      [w.plan.id],
    )
    assert.equal((await w.all((page) => api.listTrackingPlans(page, 'TEMPLATE'), 'trackingPlans')).length, 0)
    return [trackingPlan, read]
  })
  const rules = () => w.all((page) => api.listRulesFromTrackingPlan(w.plan.id, page), 'rules', 2)
  const keys = async () => (await rules()).map(({ type, key }) => `${type} ${key ?? ''}`.trim()).sort()
  await w.step('its rules are put as a whole, patched one by one, paged and removed', async () => {
    const put = [
      rule('Order', { total: { type: 'number' } }),
      rule('Cart', {}),
      rule('Odd – "name"', {}),
      { type: 'IDENTIFY', jsonSchema: schema({}), version: 1 },
    ]
    assert.deepEqual(await w.data(() => api.replaceRulesInTrackingPlan(w.plan.id, { rules: put })), SUCCESS)
    const first = await rules()
    first.forEach((one) => has(one, 'type jsonSchema version'))
    assert.deepEqual(await keys(), ['IDENTIFY', 'TRACK Cart', 'TRACK Odd – "name"', 'TRACK Order'])
    assert.deepEqual(first.find(({ key }) => key === 'Order').jsonSchema, put[0].jsonSchema)
    const patch = [{ ...rule('Cart', {}), newKey: 'Basket' }, rule('Search', {})]
    assert.deepEqual(await w.data(() => api.updateRulesInTrackingPlan(w.plan.id, { rules: patch })), SUCCESS)
    assert.deepEqual(await keys(), ['IDENTIFY', 'TRACK Basket', 'TRACK Odd – "name"', 'TRACK Order', 'TRACK Search'])
    const gone = [
      { type: 'TRACK', key: 'Odd – "name"', version: 1 },
      { type: 'IDENTIFY', version: 1 },
    ]
    assert.deepEqual(await w.data(() => api.removeRulesFromTrackingPlan(w.plan.id, gone)), SUCCESS)
    assert.deepEqual(await keys(), ['TRACK Basket', 'TRACK Order', 'TRACK Search'])
    return rules()
  })
  await w.step('a rule whose schema is no JSON Schema is refused, and changes nothing', async () => {
    const before = await rules()
    const bad = {
      rules: [rule('Good', {}), { type: 'TRACK', key: 'Bad', jsonSchema: { type: 'no-such-type' }, version: 1 }],
    }
    const refused = await w.refused(() => api.replaceRulesInTrackingPlan(w.plan.id, bad), 422)
    assert.deepEqual(await rules(), before)
    return refused
  })
  await w.step('a source follows the plan and leaves it', async () => {
    assert.deepEqual(await w.data(() => api.addSourceToTrackingPlan(w.plan.id, { sourceId: w.shop.id })), SUCCESS)
    assert.equal((await w.data(() => sources.getSource(w.shop.id))).trackingPlanId, w.plan.id)
    const followers = await w.all((page) => api.listSourcesFromTrackingPlan(w.plan.id, page), 'sources')
    assert.deepEqual(
      followers.map(source).map(({ id }) => id),
      [w.shop.id],
    )
    assert.deepEqual(await w.data(() => api.removeSourceFromTrackingPlan(w.plan.id, w.shop.id)), SUCCESS)
    assert.equal((await w.data(() => sources.getSource(w.shop.id))).trackingPlanId, null)
  })
  await w.step('a plan that is deleted is gone', async () => {
    assert.deepEqual(await w.data(() => api.deleteTrackingPlan(w.plan.id)), SUCCESS)
    return w.refused(() => api.getTrackingPlan(w.plan.id), 404)
  })
}

export async function transformations(w) {
  const { transformations: api } = w.apis
  await w.step('a transformation is made, changed, listed and removed', async () => {
    const asked = {
      name: 'Pseudonyms',
      sourceId: w.shop.id,
      enabled: true,
      if: 'event = "Order"',
      hashPropertiesConfiguration: {
        algorithm: 'sha256',
        key: 'k'.repeat(32),
        encoding: 'HEX',
        paths: ['properties.email'],
      },
    }
    const { transformation: made } = await w.data(() => api.createTransformation(asked))
    has(made, 'id name sourceId enabled if')
    assert.ok(!JSON.stringify(made).includes('k'.repeat(32)), 'the key of the hash is in the answer')
    const change = { name: 'Renamed', enabled: false, propertyRenames: [{ oldName: 'properties.a', newName: 'b' }] }
    const { transformation: changed } = await w.data(() => api.updateTransformation(made.id, change))
    assert.equal(changed.name, 'Renamed')
    assert.deepEqual(changed.propertyRenames, change.propertyRenames)
    assert.deepEqual((await w.data(() => api.getTransformation(made.id))).transformation, changed)
    const listed = await w.all((page) => api.listTransformations(page), 'transformations')
    assert.deepEqual(listed, [changed])
    assert.deepEqual(await w.data(() => api.deleteTransformation(made.id)), SUCCESS)
    return [made, changed]
  })
}

export async function privacy(w) {
  const { deletionAndSuppresion: api } = w.apis
  const ids = ['person-1', 'person-2']
  await w.step('people are suppressed, listed, and let in again', async () => {
    const suppress = { regulationType: 'SUPPRESS_ONLY', subjectType: 'USER_ID', subjectIds: ids }
    const { regulateId } = await w.data(() => api.createWorkspaceRegulation(suppress))
    const { regulation } = await w.data(() => api.getRegulation(regulateId))
    has(regulation, 'id workspaceId overallStatus createdAt streamStatus')
    const listed = await w.all(
      (page) => api.listWorkspaceRegulations(page, undefined, ['SUPPRESS_ONLY']),
      'regulations',
    )
    assert.ok(listed.some(({ id }) => id === regulateId))
    listed.forEach((one) => has(one, 'id subjectType subjects status createdAt regulationType'))
    const suppressed = async () =>
      (await w.all((page) => api.listSuppressions(page), 'suppressed'))
        .flatMap(({ subjectIds }) => subjectIds)
        .filter((id) => ids.includes(id))
        .sort()
    assert.deepEqual(await suppressed(), ids)
    await w.data(() =>
      api.createWorkspaceRegulation({ regulationType: 'UNSUPPRESS', subjectType: 'USER_ID', subjectIds: [ids[0]] }),
    )
    assert.deepEqual(await suppressed(), [ids[1]])
    return [Object.keys(regulation), listed.length]
  })
  await w.step('a regulation of one source is kept with it', async () => {
    const { regulateId } = await w.data(() =>
      api.createSourceRegulation(w.shop.id, {
        regulationType: 'SUPPRESS_ONLY',
        subjectType: 'USER_ID',
        subjectIds: ['person-3'],
      }),
    )
    const { regulations } = await w.data(() => api.listRegulationsFromSource(w.shop.id, { count: 10 }))
    assert.ok(regulations.some(({ id }) => id === regulateId))
    return regulations
  })
  await w.step('a regulation of too many people is refused', () =>
    w.refused(
      () =>
        api.createWorkspaceRegulation({
          regulationType: 'SUPPRESS_ONLY',
          subjectType: 'USER_ID',
          subjectIds: Array.from({ length: 5001 }, (_, n) => `p${n}`),
        }),
      422,
    ),
  )
  await w.step('a regulation that was never made is not found', () =>
    w.refused(() => api.getRegulation('no-such-regulation'), 404),
  )
}
