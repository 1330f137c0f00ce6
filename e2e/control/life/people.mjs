// Who may do what, and what was done: users, invites, groups, roles, audit trail, volume, delivery, usage.
import assert from 'node:assert/strict'
import { SUCCESS, has } from './workspace.mjs'

export async function people(w) {
  const { iamGroups: groups, iamRoles, iamUsers: users } = w.apis
  let roles = []
  const role = (name) => roles.find((one) => one.name === name) ?? assert.fail(`no role ${name}`)

  await w.step('the roles are those of Segment', async () => {
    roles = await w.all((page) => iamRoles.listRoles(page), 'roles', 5)
    roles.forEach((one) => has(one, 'id name description'))
    for (const name of ['Workspace Owner', 'Workspace Member', 'Source Admin', 'Source Read-only']) role(name)
    return roles
  })
  await w.step('users are listed and read, and say what they may', async () => {
    const all = await w.all((page) => users.listUsers(page), 'users')
    w.owner =
      all.find(({ permissions }) => permissions?.some(({ roleName }) => roleName === 'Workspace Owner')) ??
      assert.fail('nobody owns the workspace')
    all.forEach((one) => has(one, 'id name email'))
    const { user } = await w.data(() => users.getUser(w.owner.id))
    assert.deepEqual(user, w.owner)
    return all
  })
  await w.step('people are invited, and uninvited', async () => {
    const emails = ['ann@acme.example', 'bo+x@acme.example']
    const permissions = [{ roleId: role('Source Admin').id, resources: [{ id: w.shop.id, type: 'SOURCE' }] }]
    const invited = await w.data(() =>
      users.createInvites({ invites: emails.map((email) => ({ email, permissions })) }),
    )
    assert.deepEqual(invited.emails.toSorted?.() ?? [...invited.emails].sort(), emails)
    const listed = await w.all((page) => users.listInvites(page), 'invites')
    for (const email of emails) assert.ok(listed.includes(email), `${email} is not among ${listed}`)
    assert.deepEqual(await w.data(() => users.deleteInvites(emails)), SUCCESS)
    assert.deepEqual(await w.all((page) => users.listInvites(page), 'invites'), [])
  })
  await w.step('an invite to no address is refused', () =>
    w.refused(() => users.createInvites({ invites: [{ email: 'not an address' }] }), 422),
  )
  await w.step('a group is made, renamed, given members and rights, and removed', async () => {
    const { userGroup } = await w.data(() => groups.createUserGroup({ name: 'Analysts' }))
    has(userGroup, 'id name memberCount')
    const renamed = await w.data(() => groups.updateUserGroup(userGroup.id, { name: 'Data people' }))
    assert.equal(renamed.userGroup.name, 'Data people')
    const more = await w.data(() => groups.addUsersToUserGroup(userGroup.id, { emails: [w.owner.email] }))
    assert.equal(more.userGroup.memberCount, 1)
    const members = await w.all((page) => groups.listUsersFromUserGroup(userGroup.id, page), 'users')
    assert.deepEqual(
      members.map(({ email }) => email),
      [w.owner.email],
    )
    const theirs = await w.all((page) => users.listUserGroupsFromUser(w.owner.id, page), 'groups')
    assert.deepEqual(theirs, [{ id: userGroup.id, name: 'Data people' }])
    const permissions = [{ roleId: role('Source Read-only').id, resources: [{ id: w.shop.id, type: 'SOURCE' }] }]
    const given = await w.data(() => groups.replacePermissionsForUserGroup(userGroup.id, { permissions }))
    given.permissions.forEach((one) => has(one, 'roleId roleName resources'))
    assert.equal(given.permissions[0].roleName, 'Source Read-only')
    const { userGroup: read } = await w.data(() => groups.getUserGroup(userGroup.id))
    assert.equal(read.permissions?.[0]?.roleId, permissions[0].roleId)
    const other = [{ roleId: role('Function Read-only').id, resources: [{ id: w.workspaceId, type: 'WORKSPACE' }] }]
    const both = await w.data(() => groups.addPermissionsToUserGroup(userGroup.id, { permissions: other }))
    assert.deepEqual(both.permissions.map(({ roleName }) => roleName).sort(), [
      'Function Read-only',
      'Source Read-only',
    ])
    const emails = [w.owner.email, 'cy@acme.example']
    await w.data(() => users.createInvites({ invites: [{ email: emails[1] }] }))
    const replaced = await w.data(() => groups.replaceUsersInUserGroup(userGroup.id, { emails }))
    assert.equal(replaced.userGroup.memberCount, 2)
    const invited = await w.all((page) => groups.listInvitesFromUserGroup(userGroup.id, page), 'emails')
    assert.deepEqual(invited, ['cy@acme.example'])
    assert.deepEqual(await w.data(() => groups.removeUsersFromUserGroup(userGroup.id, emails)), SUCCESS)
    await w.data(() => users.deleteInvites([emails[1]]))
    const listed = await w.all((page) => groups.listUserGroups(page), 'userGroups')
    assert.deepEqual(
      listed.map(({ id, memberCount }) => [id, memberCount]),
      [[userGroup.id, 0]],
    )
    assert.deepEqual(await w.data(() => groups.deleteUserGroup(userGroup.id)), SUCCESS)
    return [given, read]
  })
  await w.step('a role that is not there is not given', async () => {
    const { userGroup } = await w.data(() => groups.createUserGroup({ name: 'Nobody' }))
    const permissions = [{ roleId: 'no-such-role', resources: [{ id: w.shop.id, type: 'SOURCE' }] }]
    const refused = await w.refused(() => groups.addPermissionsToUserGroup(userGroup.id, { permissions }), 422)
    await w.data(() => groups.deleteUserGroup(userGroup.id))
    return refused
  })
  await w.step('the last owner keeps the workspace', async () => {
    const permissions = [{ roleId: role('Workspace Member').id, resources: [{ id: w.workspaceId, type: 'WORKSPACE' }] }]
    const kept = await w.refused(() => users.replacePermissionsForUser(w.owner.id, { permissions }), 409)
    return [kept, await w.refused(() => users.deleteUsers([w.owner.id]), 409)]
  })
}

export async function figures(w) {
  const { apiCalls, auditTrail, events, monthlyTrackedUsers } = w.apis
  const day = 86_400_000
  const time = (days) => new Date(Math.floor(w.now / day) * day + days * day).toISOString()

  await w.step('the audit trail tells what was done, by whom, newest first', async () => {
    const all = await w.all((page) => auditTrail.listAuditEvents(page), 'events', 100)
    all.forEach((one) => has(one, 'id timestamp type actor resourceId resourceType resourceName'))
    const times = all.map(({ timestamp }) => timestamp)
    assert.deepEqual(times, [...times].sort().reverse())
    const ours = await w.all((page) => auditTrail.listAuditEvents(page, undefined, undefined, w.shop.id), 'events')
    const types = ours.map(({ type }) => type)
    for (const type of ['Source Created', 'Source Modified'])
      assert.ok(types.includes(type), `no ${type} among ${types}`)
    assert.ok(ours.every(({ resourceId }) => resourceId === w.shop.id))
    return types
  })
  await w.step('nothing was done before it was', async () => {
    const none = await w.all((page) => auditTrail.listAuditEvents(page, time(-20), time(-10)), 'events')
    assert.deepEqual(none, [])
    return w.refused(() => auditTrail.listAuditEvents({ count: 10 }, 'yesterday'), 422)
  })
  await w.step('the volume of events is counted by time', async () => {
    const volume = await w.data(() =>
      events.getEventsVolumeFromWorkspace('DAY', time(-2), time(0), ['source'], [w.shop.id]),
    )
    has(volume, 'path query result')
    has(volume.query, 'workspaceId granularity startTime endTime')
    return [volume, await w.refused(() => events.getEventsVolumeFromWorkspace('CENTURY', time(-2), time(0)), 422)]
  })
  const { destinations } = w.apis
  const settings = { url: 'https://hooks.example.com/in', country: 'IE' }
  const { destination } = await w
    .data(() =>
      destinations.createDestination({ sourceId: w.shop.id, metadataId: w.webhook.id, enabled: false, settings }),
    )
    .catch(() => ({ destination: {} }))
  for (const [name, ask] of [
    ['getEgressSuccessMetricsFromDeliveryOverview', 'destination'],
    ['getEgressFailedMetricsFromDeliveryOverview', 'destination'],
    ['getFilteredAtDestinationMetricsFromDeliveryOverview', 'destination'],
    ['getFilteredAtSourceMetricsFromDeliveryOverview', 'source'],
    ['getIngressFailedMetricsFromDeliveryOverview', 'source'],
    ['getIngressSuccessMetricsFromDeliveryOverview', 'source'],
  ]) {
    await w.step(`the delivery overview answers ${name}`, async () => {
      const of = ask === 'destination' ? [w.shop.id, destination.id] : [w.shop.id]
      const overview = await w.data(() => w.delivery[name](...of, time(-2), time(0), 'day', { count: 10 }))
      return has(overview, 'total dataset pagination')
    })
  }
  const period = time(0).slice(0, 10)
  for (const [api, name, list] of [
    [apiCalls, 'getDailyWorkspaceAPICallsUsage', 'dailyWorkspaceAPICallsUsage'],
    [apiCalls, 'getDailyPerSourceAPICallsUsage', 'dailyPerSourceAPICallsUsage'],
    [monthlyTrackedUsers, 'getDailyWorkspaceMTUUsage', 'dailyWorkspaceMTUUsage'],
    [monthlyTrackedUsers, 'getDailyPerSourceMTUUsage', 'dailyPerSourceMTUUsage'],
  ]) {
    await w.step(`usage answers ${name}`, async () => {
      const used = await w.all((page) => api[name](period, page), list)
      for (const one of used) {
        const counts = list.includes('MTU') ? 'anonymous anonymousIdentified identified neverIdentified' : 'apiCalls'
        for (const field of counts.split(' '))
          assert.equal(typeof has(one, counts)[field], 'string', `${field} is no string`)
      }
    })
  }
}
