// A whole life of a workspace, driven by the published TypeScript client:
//
//   node life.mjs BASE TOKEN NOW COUNT KEPT     BASE with /api; NOW: epoch ms; COUNT: sources to page through; KEPT: a file for
//                                               every answer
import { figures, people } from './life/people.mjs'
import { plans, privacy, transformations } from './life/rules.mjs'
import { destinations, functions, warehouses } from './life/outputs.mjs'
import { ours } from './life/ours.mjs'
import { many, sources } from './life/sources.mjs'
import { Workspace } from './life/workspace.mjs'

const [base, token, now, count, kept] = process.argv.slice(2)
const workspace = new Workspace(base, token, now, kept)
await sources(workspace)
await destinations(workspace)
await warehouses(workspace)
await functions(workspace)
await plans(workspace)
await transformations(workspace)
await people(workspace)
await privacy(workspace)
await figures(workspace)
await ours(workspace)
await many(workspace, Number(count))
workspace.close({
  [workspace.workspaceSlug]: 'workspace',
  [workspace.workspaceName]: 'workspace name',
})
