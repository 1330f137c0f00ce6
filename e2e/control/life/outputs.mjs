// Where events go: destinations with subscriptions and filters, warehouses, functions.
import assert from 'node:assert/strict'
import { SUCCESS, destination, has, source, warehouse } from './workspace.mjs'

const SECRET = 'never-to-be-read-back'

export async function destinations(w) {
  const { destinationFilters: filters, destinations: api, sources } = w.apis

  await w.step('a destination is created, and its secret is not read back', async () => {
    const settings = { url: 'https://hooks.example.com/in', sharedSecret: SECRET, country: 'IE' }
    const asked = { sourceId: w.shop.id, metadataId: w.webhook.id, name: 'Hook', enabled: false, settings }
    const { destination: made } = await w.data(() => api.createDestination(asked))
    w.hook = destination(made)
    assert.equal(made.name, 'Hook')
    assert.equal(made.sourceId, w.shop.id)
    assert.equal(made.settings.url, settings.url)
    assert.ok(!JSON.stringify(made).includes(SECRET), 'the secret is in the answer')
    const { destination: read } = await w.data(() => api.getDestination(made.id))
    assert.deepEqual(read, made)
    const listed = await w.all((page) => api.listDestinations(page), 'destinations')
    assert.ok(!JSON.stringify(listed).includes(SECRET), 'the secret is in the list')
    assert.deepEqual(
      listed.find(({ id }) => id === made.id),
      made,
    )
    const connected = await w.all(
      (page) => sources.listConnectedDestinationsFromSource(w.shop.id, page),
      'destinations',
    )
    assert.deepEqual(connected, [made])
    return made
  })
  await w.step('a destination without a setting that it needs is refused', () =>
    w.refused(() => api.createDestination({ sourceId: w.shop.id, metadataId: w.webhook.id, settings: {} }), 422),
  )
  await w.step('a destination of a source that is not there is refused', () =>
    w.refused(
      () =>
        api.createDestination({
          sourceId: 'no-such-source',
          metadataId: w.webhook.id,
          settings: { url: 'https://a.example' },
        }),
      404,
    ),
  )
  await w.step('settings that are not given stay; a name is taken away by null', async () => {
    const change = { name: null, settings: { url: 'https://hooks.example.com/other' } }
    const { destination: changed } = await w.data(() => api.updateDestination(w.hook.id, change))
    assert.equal(changed.settings.url, change.settings.url)
    assert.equal(changed.settings.country, 'IE')
    assert.notEqual(changed.name, 'Hook')
    assert.ok(!JSON.stringify(changed).includes(SECRET))
    return changed
  })

  await w.step('a subscription is made, changed, listed and removed', async () => {
    const { destinationMetadata } = await w.data(() => w.apis.catalog.getDestinationMetadata('actions-amplitude'))
    const action =
      destinationMetadata.actions.find(({ slug }) => slug === 'logEventV2') ?? assert.fail('no action logEventV2')
    const settings = { apiKey: SECRET, secretKey: SECRET }
    const { destination: made } = await w.data(() =>
      api.createDestination({ sourceId: w.shop.id, metadataId: destinationMetadata.id, enabled: false, settings }),
    )
    assert.ok(!JSON.stringify(made.settings).includes(SECRET), 'a secret is in the answer')
    const asked = { name: 'Orders', actionId: action.id, trigger: 'type = "track"', enabled: true, settings: {} }
    const { destinationSubscription: one } = await w.data(() => api.createDestinationSubscription(made.id, asked))
    has(one, 'id name actionId actionSlug destinationId enabled settings trigger')
    assert.equal(one.destinationId, made.id)
    assert.equal(one.actionSlug, 'logEventV2')
    const input = { name: 'Big orders', trigger: 'type = "track" and properties.total > 100', enabled: false }
    const { subscription } = await w.data(() => api.updateSubscriptionForDestination(made.id, one.id, { input }))
    assert.deepEqual({ ...one, ...input }, subscription)
    const read = await w.data(() => api.getSubscriptionFromDestination(made.id, one.id))
    assert.deepEqual(read.subscription, subscription)
    const listed = await w.all((page) => api.listSubscriptionsFromDestination(made.id, page), 'subscriptions')
    assert.deepEqual(listed, [subscription])
    const bad = { ...asked, trigger: 'type = = "track"' }
    const refused = await w.refused(() => api.createDestinationSubscription(made.id, bad), 422)
    assert.deepEqual(await w.data(() => api.removeSubscriptionFromDestination(made.id, one.id)), SUCCESS)
    assert.deepEqual(await w.data(() => api.deleteDestination(made.id)), SUCCESS)
    return [one, subscription, refused]
  })

  const actions = [
    { type: 'DROP_PROPERTIES', fields: { properties: ['email'] } },
    { type: 'SAMPLE', percent: 0.5, path: 'userId' },
  ]
  await w.step('a filter is made, changed, listed and removed', async () => {
    const asked = {
      sourceId: w.shop.id,
      if: 'type = "track"',
      actions,
      title: 'Less',
      description: 'no mail',
      enabled: true,
    }
    const { filter } = await w.data(() => filters.createFilterForDestination(w.hook.id, asked))
    has(filter, 'id sourceId destinationId if actions title enabled createdAt updatedAt')
    assert.deepEqual(filter.actions, actions)
    const change = { if: 'event = "Order Completed"', actions: [{ type: 'DROP' }], description: null, enabled: false }
    const { filter: changed } = await w.data(() => filters.updateFilterForDestination(w.hook.id, filter.id, change))
    assert.equal(changed.if, change.if)
    assert.deepEqual(changed.actions, change.actions)
    assert.ok(!changed.description)
    const read = await w.data(() => filters.getFilterInDestination(w.hook.id, filter.id))
    assert.deepEqual(read.filter, changed)
    const listed = await w.all((page) => filters.listFiltersFromDestination(w.hook.id, page), 'filters')
    assert.deepEqual(listed, [changed])
    assert.deepEqual(await w.data(() => filters.removeFilterFromDestination(w.hook.id, filter.id)), SUCCESS)
    return [filter, changed]
  })
  await w.step('a filter whose condition is no FQL is refused', () =>
    w.refused(
      () =>
        filters.createFilterForDestination(w.hook.id, {
          sourceId: w.shop.id,
          if: 'type = ',
          actions,
          title: 't',
          enabled: true,
        }),
      422,
    ),
  )
  await w.step('an eleventh filter of a destination is refused', async () => {
    const asked = (n) => ({
      sourceId: w.shop.id,
      if: 'all',
      actions: [{ type: 'DROP' }],
      title: `Filter ${n}`,
      enabled: false,
    })
    for (let n = 0; n < 10; n += 1) await w.data(() => filters.createFilterForDestination(w.hook.id, asked(n)))
    return w.refused(() => filters.createFilterForDestination(w.hook.id, asked(10)), 409)
  })
  await w.step('a preview shows what a filter leaves of an event', async () => {
    const payload = { type: 'track', event: 'Order', userId: 'u1', properties: { email: 'a@b.example', total: 9 } }
    const preview = (filter) => w.data(() => filters.previewDestinationFilter({ filter, payload }))
    const dropped = await preview({ if: 'type = "track"', actions: [{ type: 'DROP' }] })
    assert.deepEqual(dropped, { inputPayload: payload, result: null })
    const less = await preview({ if: 'type = "track"', actions: [actions[0]] })
    assert.deepEqual(less.result, { ...payload, properties: { total: 9 } })
    const other = await preview({ if: 'type = "identify"', actions: [{ type: 'DROP' }] })
    assert.deepEqual(other.result, payload)
    return [dropped, less, other]
  })
  await w.step('delivery metrics of a destination are answered', async () => {
    const summary = await w.data(() => api.listDeliveryMetricsSummaryFromDestination(w.hook.id, w.shop.id))
    has(summary.deliveryMetricsSummary, 'sourceId destinationMetadataId metrics')
    return summary
  })
  await w.step('a destination that is deleted is gone, with all that was its', async () => {
    assert.deepEqual(await w.data(() => api.deleteDestination(w.hook.id)), SUCCESS)
    return [
      await w.refused(() => api.getDestination(w.hook.id), 404),
      await w.refused(() => filters.listFiltersFromDestination(w.hook.id, { count: 10 }), 404),
    ]
  })
}

export async function warehouses(w) {
  const { selectiveSync, sources, warehouses: api } = w.apis
  const settings = {
    name: 'Books',
    hostname: 'db.example.com',
    port: 5432,
    database: 'books',
    username: 'writer',
    password: SECRET,
    country: 'IE',
  }

  await w.step('a warehouse is created, and its password is not read back', async () => {
    const asked = { metadataId: w.postgres.id, name: 'Books', enabled: false, settings }
    const { warehouse: made } = await w.data(() => api.createWarehouse(asked))
    w.books = warehouse(made)
    assert.equal(made.settings.hostname, settings.hostname)
    assert.ok(!JSON.stringify(made).includes(SECRET), 'the password is in the answer')
    assert.deepEqual((await w.data(() => api.getWarehouse(made.id))).warehouse, made)
    const listed = await w.all((page) => api.listWarehouses(page), 'warehouses')
    assert.deepEqual(
      listed.find(({ id }) => id === made.id),
      made,
    )
    return made
  })
  await w.step('a warehouse is changed', async () => {
    const { warehouse: changed } = await w.data(() =>
      // A password goes to no server that it was not given for.
      api.updateWarehouse(w.books.id, {
        name: 'More books',
        settings: { hostname: 'db2.example.com', password: SECRET },
      }),
    )
    assert.equal(changed.settings.hostname, 'db2.example.com')
    assert.equal(changed.settings.database, 'books')
    return changed
  })
  await w.step('a source is connected to the warehouse, seen from both sides, and disconnected', async () => {
    const connected = await w.data(() => api.addConnectionFromSourceToWarehouse(w.books.id, w.shop.id))
    assert.equal(connected.status, 'CONNECTED')
    const from = await w.all((page) => api.listConnectedSourcesFromWarehouse(w.books.id, page), 'sources')
    assert.ok(from.map(source).some(({ id }) => id === w.shop.id))
    const to = await w.all((page) => sources.listConnectedWarehousesFromSource(w.shop.id, page), 'warehouses')
    assert.ok(to.some(({ id }) => id === w.books.id))
    assert.deepEqual(await w.data(() => api.removeSourceConnectionFromWarehouse(w.books.id, w.shop.id)), SUCCESS)
    const left = await w.all((page) => sources.listConnectedWarehousesFromSource(w.shop.id, page), 'warehouses')
    assert.ok(!left.some(({ id }) => id === w.books.id))
    return connected
  })
  await w.step('the state of its connection is known', async () => {
    const state = await w.data(() => api.getConnectionStateFromWarehouse(w.books.id))
    assert.ok(['CONNECTED', 'FAILED'].includes(state.connectionState), state.connectionState)
    return Object.keys(state)
  })
  await w.step('settings are validated before they are used', async () => {
    const valid = await w.data(() => api.createValidationInWarehouse({ metadataId: w.postgres.id, settings }))
    assert.ok(['CONNECTED', 'FAILED'].includes(valid.status), valid.status)
    return [
      Object.keys(valid),
      await w.refused(
        () => api.createValidationInWarehouse({ metadataId: w.postgres.id, settings: { port: 'x' } }),
        422,
      ),
    ]
  })
  await w.step('its syncs and schedule are answered', async () => {
    const syncs = await w.all((page) => selectiveSync.listSyncsFromWarehouse(w.books.id, page), 'reports')
    const before = await w.data(() => selectiveSync.getAdvancedSyncScheduleFromWarehouse(w.books.id))
    const schedule = { times: [{ hourOfDay: 3, enabled: true }], timezone: 'Europe/Dublin' }
    const after = await w.data(() =>
      selectiveSync.replaceAdvancedSyncScheduleForWarehouse(w.books.id, { enabled: true, schedule }),
    )
    assert.deepEqual(after.schedule.times, schedule.times)
    assert.deepEqual(await w.data(() => selectiveSync.getAdvancedSyncScheduleFromWarehouse(w.books.id)), after)
    return [syncs, before, after]
  })
  await w.step('a warehouse that is deleted is gone', async () => {
    assert.deepEqual(await w.data(() => api.deleteWarehouse(w.books.id)), SUCCESS)
    return w.refused(() => api.getWarehouse(w.books.id), 404)
  })
}

export async function functions(w) {
  const { functions: api } = w.apis
  const settings = [
    { name: 'apiKey', label: 'API key', description: 'of the shop', type: 'STRING', required: true, sensitive: true },
  ]

  await w.step('a function is created, changed, deployed, and its versions are kept', async () => {
    const code = 'async function onTrack(event, settings) {\n  return event\n}\n'
    const asked = { code, settings, displayName: 'Enrich', resourceType: 'DESTINATION', description: 'adds the price' }
    const { function: made } = await w.data(() => api.createFunction(asked))
    w.enrich = has(made, 'id resourceType createdAt code settings displayName')
    assert.equal(made.code, code)
    assert.deepEqual(made.settings, settings)
    const changed = `${code}// second\n`
    const { function: second } = await w.data(() =>
      api.updateFunction(made.id, { code: changed, displayName: 'Enrich more' }),
    )
    assert.equal(second.code, changed)
    assert.equal(second.displayName, 'Enrich more')
    const deployed = await w.data(() => api.createFunctionDeployment(made.id))
    assert.deepEqual(deployed, { functionDeployment: SUCCESS })
    const { function: read } = await w.data(() => api.getFunction(made.id))
    assert.ok(read.deployedAt, 'it does not say when it was deployed')
    const versions = await w.all((page) => api.listFunctionVersions(made.id, page), 'versions')
    assert.equal(versions.length, 2, `${versions.length} versions`)
    versions.forEach((version) => has(version, 'id code'))
    const first = versions.find((version) => version.code === code) ?? assert.fail('the first version is lost')
    const restored = await w.data(() => api.restoreFunctionVersion(made.id, { versionId: first.id }))
    assert.equal(restored.version.code, code)
    const { version } = await w.data(() => api.getFunctionVersion(made.id, first.id))
    assert.equal(version.code, code)
    assert.equal((await w.data(() => api.getFunction(made.id))).function.code, code)
    return [made, second, read, restored]
  })
  await w.step('a function is put in before a destination, and its sensitive settings are not read back', async () => {
    const { destination: made } = await w.data(() =>
      w.apis.destinations.createDestination({
        sourceId: w.shop.id,
        metadataId: w.webhook.id,
        enabled: false,
        settings: { url: 'https://hooks.example.com/in', country: 'IE' },
      }),
    )
    const asked = {
      code: 'async function onTrack(event) {\n  return event\n}\n',
      settings,
      displayName: 'Insert',
      resourceType: 'INSERT_DESTINATION',
    }
    const { function: insert } = await w.data(() => api.createFunction(asked))
    const put = {
      functionId: insert.id,
      integrationId: made.id,
      name: 'Before the hook',
      enabled: false,
      settings: { apiKey: SECRET },
    }
    const { insertFunctionInstance: one } = await w.data(() => api.createInsertFunctionInstance(put))
    has(one, 'id integrationId classId enabled createdAt updatedAt settings encryptedSettings')
    assert.ok(!JSON.stringify(one).includes(SECRET), 'the setting is in the answer')
    const change = { name: 'Before it', settings: {} }
    const { insertFunctionInstance: changed } = await w.data(() => api.updateInsertFunctionInstance(one.id, change))
    assert.equal(changed.name, 'Before it')
    const read = await w.data(() => api.getInsertFunctionInstance(one.id))
    assert.deepEqual(read.insertFunctionInstance, changed)
    const listed = await w.all((page) => api.listInsertFunctionInstances(page, insert.id), 'instances')
    assert.deepEqual(listed, [changed])
    assert.deepEqual(await w.data(() => api.deleteInsertFunctionInstance(one.id)), SUCCESS)
    assert.deepEqual(await w.data(() => api.deleteFunction(insert.id)), SUCCESS)
    assert.deepEqual(await w.data(() => w.apis.destinations.deleteDestination(made.id)), SUCCESS)
    return [one, changed]
  })
  await w.step('functions are listed by kind, without their code', async () => {
    const listed = await w.all((page) => api.listFunctions(page, 'DESTINATION'), 'functions')
    assert.ok(listed.some(({ id }) => id === w.enrich.id))
    assert.ok(!listed.some(({ code }) => code), 'a list holds code')
    assert.equal((await w.all((page) => api.listFunctions(page, 'SOURCE'), 'functions')).length, 0)
    return listed
  })
  await w.step('a function that is deleted is gone', async () => {
    assert.deepEqual(await w.data(() => api.deleteFunction(w.enrich.id)), SUCCESS)
    return w.refused(() => api.createFunctionDeployment(w.enrich.id), 404)
  })
}
