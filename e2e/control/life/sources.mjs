// The workspace, the catalogs, sources with their keys, settings and labels, and a list of 500.
import assert from 'node:assert/strict'
import { SUCCESS, destinationMetadata, has, source, sourceMetadata, warehouseMetadata } from './workspace.mjs'

export async function sources(w) {
  const { catalog, labels, sources: api, workspaces } = w.apis

  await w.step('the workspace says who it is', async () => {
    const { workspace } = await w.data(() => workspaces.getWorkspace())
    has(workspace, 'id slug name')
    w.workspaceId = workspace.id
    w.workspaceSlug = workspace.slug
    w.workspaceName = workspace.name
    return Object.keys(workspace)
  })

  for (const [what, list, name, get, one, check, known] of [
    [
      'sources',
      'getSourcesCatalog',
      'sourcesCatalog',
      'getSourceMetadata',
      'sourceMetadata',
      sourceMetadata,
      'http-api',
    ],
    [
      'destinations',
      'getDestinationsCatalog',
      'destinationsCatalog',
      'getDestinationMetadata',
      'destinationMetadata',
      destinationMetadata,
      'webhook',
    ],
    [
      'warehouses',
      'getWarehousesCatalog',
      'warehousesCatalog',
      'getWarehouseMetadata',
      'warehouseMetadata',
      warehouseMetadata,
      'postgres',
    ],
  ]) {
    await w.step(`the catalog of ${what} is paged, and each entry is complete and found by id`, async () => {
      const all = await w.all((page) => catalog[list](page), name, 50)
      all.forEach(check)
      assert.equal(new Set(all.map(({ id }) => id)).size, all.length, 'an id is there twice')
      const found = all.find(({ slug }) => slug === known) ?? assert.fail(`no ${known} among ${all.length}`)
      const again = await w.data(() => catalog[get](found.id))
      assert.deepEqual(again[one], found)
      w[known] = found
      return found
    })
  }
  await w.step('an entry that the catalog lacks is not found', () =>
    w.refused(() => catalog.getSourceMetadata('no-such-entry'), 404),
  )

  await w.step('a source is created', async () => {
    const asked = { slug: 'shop', enabled: true, metadataId: w['http-api'].id, settings: {} }
    w.shop = source((await w.data(() => api.createSource(asked))).source)
    assert.equal(w.shop.slug, 'shop')
    assert.equal(w.shop.enabled, true)
    assert.equal(w.shop.workspaceId, w.workspaceId)
    assert.equal(w.shop.writeKeys.length, 1)
    return w.shop
  })
  await w.step('it is read back as it was answered', async () => {
    const read = await w.data(() => api.getSource(w.shop.id))
    assert.deepEqual(read.source, w.shop)
    assert.equal(read.trackingPlanId, null)
    return read
  })
  await w.step('it is listed', async () => {
    const all = await w.all((page) => api.listSources(page), 'sources')
    assert.deepEqual(
      all.find(({ id }) => id === w.shop.id),
      w.shop,
    )
    return all.map(({ slug }) => slug)
  })
  await w.step('a second source of the same slug is refused', () =>
    w.refused(() => api.createSource({ slug: 'shop', enabled: true, metadataId: w['http-api'].id }), 409),
  )
  await w.step('a source of no kind in the catalog is refused', () =>
    w.refused(() => api.createSource({ slug: 'other', enabled: true, metadataId: 'no-such-kind' }), 422),
  )
  await w.step('name, slug and switch are changed', async () => {
    const change = { name: 'The shop', slug: 'web-shop', enabled: false }
    const { source: changed } = await w.data(() => api.updateSource(w.shop.id, change))
    assert.deepEqual({ ...w.shop, ...change }, changed)
    const { source: back } = await w.data(() => api.updateSource(w.shop.id, { enabled: true }))
    w.shop = back
    return back
  })

  await w.step('a second write key is added, and the first one taken away', async () => {
    const [first] = w.shop.writeKeys
    const { source: two } = await w.data(() => api.createWriteKeyForSource(w.shop.id))
    assert.equal(two.writeKeys.length, 2)
    assert.ok(two.writeKeys.includes(first))
    assert.deepEqual(await w.data(() => api.removeWriteKeyFromSource(w.shop.id, first)), SUCCESS)
    const { source: one } = await w.data(() => api.getSource(w.shop.id))
    assert.deepEqual(
      one.writeKeys,
      two.writeKeys.filter((key) => key !== first),
    )
    w.shop = one
    return one.writeKeys.length
  })
  await w.step('a write key that is gone cannot be taken away', () =>
    w.refused(() => api.removeWriteKeyFromSource(w.shop.id, 'no-such-key'), 404),
  )

  await w.step('schema settings are changed field by field', async () => {
    const before = has(await w.data(() => api.listSchemaSettingsInSource(w.shop.id)), 'sourceId settings')
    const change = {
      track: { allowUnplannedEvents: false, commonEventOnViolations: 'OMIT_PROPERTIES' },
      identify: { allowUnplannedTraits: false, commonEventOnViolations: 'OMIT_TRAITS' },
    }
    const after = await w.data(() => api.updateSchemaSettingsInSource(w.shop.id, change))
    assert.equal(after.sourceId, w.shop.id)
    assert.equal(after.settings.track.allowUnplannedEvents, false)
    assert.equal(after.settings.identify.commonEventOnViolations, 'OMIT_TRAITS')
    assert.deepEqual(after.settings.group, before.settings.group)
    assert.deepEqual(await w.data(() => api.listSchemaSettingsInSource(w.shop.id)), after)
    return [before, after]
  })

  await w.step('labels are made, put on the source, replaced and removed', async () => {
    const environment = { key: 'environment', value: 'production', description: 'what customers use' }
    const brand = { key: 'brand', value: 'north-2' }
    const made = await w.data(() => labels.createLabel({ label: environment }))
    assert.deepEqual(made.label, environment)
    await w.data(() => labels.createLabel({ label: brand }))
    const listed = await w.data(() => labels.listLabels())
    assert.ok(listed.labels.some(({ key, value }) => key === 'environment' && value === 'production'))
    const put = await w.data(() => api.addLabelsToSource(w.shop.id, { labels: [environment] }))
    assert.equal(put.labels.length, 1)
    const replaced = await w.data(() => api.replaceLabelsInSource(w.shop.id, { labels: [brand] }))
    assert.deepEqual(
      replaced.labels.map(({ key }) => key),
      ['brand'],
    )
    const { source: labelled } = await w.data(() => api.getSource(w.shop.id))
    assert.deepEqual(labelled.labels, replaced.labels)
    await w.data(() => api.replaceLabelsInSource(w.shop.id, { labels: [] }))
    for (const { key, value } of [environment, brand]) {
      assert.deepEqual(await w.data(() => labels.deleteLabel(key, value)), SUCCESS)
    }
    return [listed, put, replaced, await w.data(() => labels.listLabels())]
  })
  await w.step('a label that is there already is refused', async () => {
    const label = { key: 'team', value: 'one' }
    await w.data(() => labels.createLabel({ label }))
    const refused = await w.refused(() => labels.createLabel({ label }), 409)
    await w.data(() => labels.deleteLabel('team', 'one'))
    return refused
  })
}

// `count` sources more, paged through forward and back: each is there once.
export async function many(w, count) {
  const { sources: api } = w.apis
  const slugs = Array.from({ length: count }, (_, n) => `many-${String(n).padStart(4, '0')}`)
  const ids = new Map()

  await w.step(`${count} sources are created`, async () => {
    const waiting = [...slugs]
    const create = async () => {
      for (let slug; (slug = waiting.pop());) {
        const asked = { slug, enabled: true, metadataId: w['http-api'].id }
        ids.set(slug, (await w.data(() => api.createSource(asked))).source.id)
      }
    }
    await Promise.all(Array.from({ length: 8 }, create))
    assert.equal(new Set(ids.values()).size, count)
  })

  for (const size of [37, 200, 1000]) {
    await w.step(`pages of ${size}: every source once forward, the same pages back`, async () => {
      const list = (page) => api.listSources(page)
      const forward = await w.pages(list, 'sources', size)
      const seen = forward.flatMap((page) => page.sources.map(({ id }) => id))
      assert.equal(new Set(seen).size, seen.length, 'a source is there twice')
      for (const [slug, id] of ids) assert.ok(seen.includes(id), `${slug} is missing`)
      for (const { pagination } of forward) {
        if (pagination.totalEntries != null) assert.equal(pagination.totalEntries, seen.length)
      }
      assert.ok(!forward[0].pagination.previous, 'there is a page before the first')
      const back = [forward.at(-1)]
      while (back[0].pagination.previous) {
        const cursor = back[0].pagination.previous
        back.unshift(await w.data(() => list({ count: size, cursor })))
        assert.ok(back.length <= forward.length, 'more pages back than forward')
      }
      assert.deepEqual(
        back.map((page) => page.sources.map(({ id }) => id)),
        forward.map((page) => page.sources.map(({ id }) => id)),
      )
      const again = await w.data(() => list({ count: size, cursor: forward.at(-1).pagination.current }))
      assert.deepEqual(again.sources, forward.at(-1).sources, '`current` leads elsewhere')
      return seen.length
    })
  }
  for (const size of [0, 1001, -1]) {
    await w.step(`a page of ${size} is refused`, () => w.refused(() => api.listSources({ count: size }), 422))
  }
  await w.step('a cursor that was never given is refused', () =>
    w.refused(() => api.listSources({ count: 10, cursor: 'bm8gc3VjaCBjdXJzb3I=' }), 422),
  )

  await w.step('a source that goes while pages are turned takes no other with it', async () => {
    const [first, second] = [slugs[0], slugs[1]].map((slug) => ids.get(slug))
    const before = await w.data(() => api.listSources({ count: 100 }))
    assert.deepEqual(await w.data(() => api.deleteSource(first)), SUCCESS)
    const rest = []
    for (let cursor = before.pagination.next; cursor;) {
      const page = await w.data(() => api.listSources({ count: 100, cursor }))
      rest.push(...page.sources.map(({ id }) => id))
      cursor = page.pagination.next
    }
    const seen = new Set([...before.sources.map(({ id }) => id), ...rest])
    for (const [slug, id] of ids) if (id !== first) assert.ok(seen.has(id), `${slug} was passed over`)
    assert.ok(seen.has(second))
  })
  await w.step('a source that is deleted is gone', async () => {
    const gone = ids.get(slugs[0])
    return [
      await w.refused(() => api.getSource(gone), 404),
      await w.refused(() => api.deleteSource(gone), 404),
      await w.refused(() => api.updateSource(gone, { name: 'again' }), 404),
    ]
  })
}
