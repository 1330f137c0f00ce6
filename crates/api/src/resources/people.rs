//! People of a workspace: users, their roles, groups and invitations. Only owners see and change them.

use crate::answer::ApiError;
use crate::cell::Cell;
use crate::contract::{
    Answer, Ask, Field, ID, NAME, Needs, Object, Operation, PAGINATED, Schema, any_text, delete, get, list, may, need,
    patch, post, put, text,
};
use crate::resources::permission::{GIVEN, HELD, given, held};
use domicile_control::{Change, ControlError, Grants, Group, Kept, Resource, Role, Subject, UserRecord, View};
use domicile_workspace::WorkspaceId;
use serde_json::{Value, json};

const EMAIL: Schema = text(254);
const EMAILS: Schema = list(&EMAIL, 200);

static USER: Object = Object {
    name: "User",
    fields: &[need("id", ID), need("name", NAME), need("email", EMAIL), may("permissions", HELD)],
};
static PERSON: Object =
    Object { name: "UserInGroup", fields: &[need("id", ID), need("name", NAME), need("email", EMAIL)] };
static ONE_USER: Object = Object { name: "", fields: &[need("user", Schema::Object(&USER))] };
static USERS: Object = Object { name: "", fields: &[need("users", list(&Schema::Object(&USER), 1_000)), PAGINATED] };
static PEOPLE: Object = Object { name: "", fields: &[need("users", list(&Schema::Object(&PERSON), 1_000)), PAGINATED] };

static GROUP: Object = Object {
    name: "UserGroup",
    fields: &[
        need("id", ID),
        need("name", NAME),
        need("memberCount", Schema::Count { min: 0, max: i64::MAX }).about("Those who are invited count too."),
        may("permissions", HELD),
    ],
};
static GROUP_NAME: Object = Object { name: "GroupOfUser", fields: &[need("id", ID), need("name", NAME)] };
static ONE_GROUP: Object = Object { name: "", fields: &[need("userGroup", Schema::Object(&GROUP))] };
static GROUPS: Object =
    Object { name: "", fields: &[need("userGroups", list(&Schema::Object(&GROUP), 1_000)), PAGINATED] };
static GROUPS_OF_USER: Object =
    Object { name: "", fields: &[need("groups", list(&Schema::Object(&GROUP_NAME), 1_000)), PAGINATED] };
static NAMED: Object = Object { name: "UserGroupName", fields: &[need("name", NAME)] };

static ROLE: Object =
    Object { name: "Role", fields: &[need("id", ID), need("name", NAME), need("description", any_text(500))] };
static ROLES: Object = Object { name: "", fields: &[need("roles", list(&Schema::Object(&ROLE), 100)), PAGINATED] };

static PERMISSIONS_IN: Object = Object { name: "PermissionsToGive", fields: &[need("permissions", GIVEN)] };
static PERMISSIONS: Object = Object { name: "Permissions", fields: &[need("permissions", HELD)] };

static EMAILS_IN: Object = Object { name: "Emails", fields: &[need("emails", EMAILS)] };
static EMAIL_PAGE: Object = Object { name: "", fields: &[need("emails", list(&EMAIL, 1_000)), PAGINATED] };
static INVITE_PAGE: Object = Object { name: "", fields: &[need("invites", list(&EMAIL, 1_000)), PAGINATED] };
static INVITE: Object = Object { name: "Invite", fields: &[need("email", EMAIL), may("permissions", GIVEN)] };
static INVITES_IN: Object = Object { name: "Invites", fields: &[need("invites", list(&Schema::Object(&INVITE), 100))] };
static INVITED: Object = Object {
    name: "Invited",
    fields: &[
        need("email", EMAIL),
        need("url", text(1_000)).about("Give it to the person: it is shown once, and holds once and for seven days."),
        need("expiresAt", Schema::Time),
    ],
};
static INVITES_OUT: Object = Object {
    name: "",
    fields: &[need("emails", list(&EMAIL, 100)), need("invites", list(&Schema::Object(&INVITED), 100))],
};

const BY_EMAILS: &[Field] = &[need("emails", EMAILS)];
const BY_USERS: &[Field] = &[need("userIds", list(&ID, 200))];

pub(crate) static OPERATIONS: &[Operation] = &[
    get("listUsers", "/users", "The people of the workspace.").paged().data(&USERS).view(list_users),
    get("getUser", "/users/{userId}", "One person of the workspace.").data(&ONE_USER).view(get_user),
    delete(
        "deleteUsers",
        "/users",
        "Takes people out of the workspace, and ends their sessions and the tokens that they made there. One owner must remain.",
    )
    .query(BY_USERS)
    .per_minute(60)
    .change(delete_users),
    get("listUserGroupsFromUser", "/users/{userId}/groups", "The groups that a person is in.")
        .paged()
        .data(&GROUPS_OF_USER)
        .view(groups_of_user),
    post("addPermissionsToUser", "/users/{userId}/permissions", "Gives a person more permissions.")
        .body(&PERMISSIONS_IN)
        .per_minute(60)
        .data(&PERMISSIONS)
        .change(|change, _, ask| permissions(change, ask, Subject::User(ask.id("userId")), Change::add_permissions)),
    put("replacePermissionsForUser", "/users/{userId}/permissions", "Gives a person these permissions and no others.")
        .body(&PERMISSIONS_IN)
        .per_minute(60)
        .data(&PERMISSIONS)
        .change(|change, _, ask| {
            permissions(change, ask, Subject::User(ask.id("userId")), Change::replace_permissions)
        }),
    get("listRoles", "/roles", "The roles that there are.")
        .needs(&[Needs::Token])
        .paged()
        .data(&ROLES)
        .view(list_roles),
    get("listInvites", "/invites", "The e-mail addresses of who is invited and has not come yet.")
        .paged()
        .data(&INVITE_PAGE)
        .view(list_invites),
    post("createInvites", "/invites", "Invites people. The answer has a link for each; nothing is sent by mail.")
        .body(&INVITES_IN)
        .per_minute(60)
        .created(&INVITES_OUT)
        .change(create_invites),
    delete("deleteInvites", "/invites", "Takes invitations back.")
        .query(BY_EMAILS)
        .per_minute(60)
        .change(delete_invites),
    get("listUserGroups", "/groups", "The groups of the workspace.").paged().data(&GROUPS).view(list_groups),
    post("createUserGroup", "/groups", "Makes a group.")
        .body(&NAMED)
        .per_minute(60)
        .data(&ONE_GROUP)
        .change(create_group),
    get("getUserGroup", "/groups/{userGroupId}", "One group.").data(&ONE_GROUP).view(|view, _, ask| {
        let group = view.group(ask.caller.workspace(), ask.id("userGroupId"))?;
        one_group(view, ask.caller.workspace(), &group)
    }),
    patch("updateUserGroup", "/groups/{userGroupId}", "Gives a group another name.")
        .body(&NAMED)
        .per_minute(60)
        .data(&ONE_GROUP)
        .guarded()
        .change(rename_group),
    delete("deleteUserGroup", "/groups/{userGroupId}", "Deletes a group; its people stay in the workspace.")
        .per_minute(60)
        .guarded()
        .change(|change, _, ask| {
            change.delete_group(ask.caller.workspace(), ask.id("userGroupId"), ask.if_version)?;
            Ok(Answer::success())
        }),
    post("addPermissionsToUserGroup", "/groups/{userGroupId}/permissions", "Gives a group more permissions.")
        .body(&PERMISSIONS_IN)
        .per_minute(60)
        .data(&PERMISSIONS)
        .change(|change, _, ask| {
            permissions(change, ask, Subject::Group(ask.id("userGroupId")), Change::add_permissions)
        }),
    put(
        "replacePermissionsForUserGroup",
        "/groups/{userGroupId}/permissions",
        "Gives a group these permissions and no others.",
    )
    .body(&PERMISSIONS_IN)
    .per_minute(60)
    .data(&PERMISSIONS)
    .change(|change, _, ask| {
        permissions(change, ask, Subject::Group(ask.id("userGroupId")), Change::replace_permissions)
    }),
    get("listUsersFromUserGroup", "/groups/{userGroupId}/users", "The people in a group.")
        .paged()
        .data(&PEOPLE)
        .view(list_members),
    post(
        "addUsersToUserGroup",
        "/groups/{userGroupId}/users",
        "Puts people of the workspace, and who is invited, into a group.",
    )
    .body(&EMAILS_IN)
    .per_minute(60)
    .data(&ONE_GROUP)
    .change(|change, _, ask| {
        members(change, ask, |change, id, emails| {
            change.add_to_group(ask.caller.workspace(), id, emails, ask.caller.grants())
        })
    }),
    // Segment's paths of these two are in the singular.
    put("replaceUsersInUserGroup", "/group/{userGroupId}/users", "Makes these people the group's, and no others.")
        .body(&EMAILS_IN)
        .per_minute(60)
        .data(&ONE_GROUP)
        .change(|change, _, ask| {
            members(change, ask, |change, id, emails| {
                change.replace_group(ask.caller.workspace(), id, emails, ask.caller.grants())
            })
        }),
    delete("removeUsersFromUserGroup", "/group/{userGroupId}/users", "Takes people out of a group.")
        .query(BY_EMAILS)
        .per_minute(60)
        .change(|change, _, ask| {
            let emails: Vec<String> = ask.query_list("emails").into_iter().map(str::to_owned).collect();
            change.remove_from_group(ask.caller.workspace(), ask.id("userGroupId"), &emails)?;
            Ok(Answer::success())
        }),
    get("listInvitesFromUserGroup", "/groups/{userGroupId}/invites", "Who is invited and will be in a group.")
        .paged()
        .data(&EMAIL_PAGE)
        .view(|view, _, ask| {
            let page = view.group_invites(ask.caller.workspace(), ask.id("userGroupId"), &ask.page.page())?;
            let pagination = ask.page.told(&page);
            Ok(json!({ "emails": page.rows, "pagination": pagination }).into())
        }),
];

fn list_users(view: &View<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let workspace = ask.caller.workspace();
    let page = view.members(workspace, &ask.page.page())?;
    let pagination = ask.page.told(&page);
    let users = page.rows.iter().map(|user| shown_user(view, workspace, user)).collect::<Result<Vec<_>, _>>()?;
    Ok(json!({ "users": users, "pagination": pagination }).into())
}

fn get_user(view: &View<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let workspace = ask.caller.workspace();
    let user = view.member(workspace, ask.id("userId"))?;
    Ok(json!({ "user": shown_user(view, workspace, &user)? }).into())
}

fn shown_user(view: &View<'_>, workspace: &WorkspaceId, user: &UserRecord) -> Result<Value, ApiError> {
    let permissions = view.permissions(workspace, Subject::User(&user.id))?;
    Ok(json!({
        "id": user.id,
        "name": user.name,
        "email": user.email,
        "permissions": held(workspace, &permissions),
    }))
}

fn delete_users(change: &mut Change<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    for user in ask.query_list("userIds") {
        change.remove_member(ask.caller.workspace(), user)?;
    }
    Ok(Answer::success())
}

fn groups_of_user(view: &View<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let page = view.groups_of_user(ask.caller.workspace(), ask.id("userId"), &ask.page.page())?;
    let pagination = ask.page.told(&page);
    let groups: Vec<_> = page.rows.iter().map(|group| json!({ "id": group.id, "name": group.value.name })).collect();
    Ok(json!({ "groups": groups, "pagination": pagination }).into())
}

type Give<'a> = fn(&mut Change<'a>, &WorkspaceId, Subject<'_>, &Grants, &Grants) -> Result<Grants, ControlError>;

fn permissions<'a>(
    change: &mut Change<'a>,
    ask: &Ask,
    subject: Subject<'_>,
    give: Give<'a>,
) -> Result<Answer, ApiError> {
    let workspace = ask.caller.workspace();
    // First whether there is such a one: what is given is nothing to whoever may not see them.
    match subject {
        Subject::User(id) => drop(change.member(workspace, id)?),
        Subject::Group(id) => drop(change.group(workspace, id)?),
        Subject::Token(_) => {}
    }
    let grants = given(workspace, ask.field("permissions"), "permissions")?;
    let all = give(change, workspace, subject, &grants, ask.caller.grants())?;
    Ok(json!({ "permissions": held(workspace, &all) }).into())
}

fn list_roles(_: &View<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let (roles, pagination) = ask.page.of(Role::ALL.to_vec());
    let roles: Vec<_> = roles
        .into_iter()
        .map(|role| json!({ "id": role.id(), "name": role.name(), "description": role.about() }))
        .collect();
    Ok(json!({ "roles": roles, "pagination": pagination }).into())
}

fn list_invites(view: &View<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let page = view.invites(ask.caller.workspace(), &ask.page.page())?;
    let pagination = ask.page.told(&page);
    let emails: Vec<_> = page.rows.into_iter().map(|invite| invite.email).collect();
    Ok(json!({ "invites": emails, "pagination": pagination }).into())
}

fn create_invites(change: &mut Change<'_>, cell: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let workspace = ask.caller.workspace();
    let console = cell.addresses.cells.get(&cell.region.id).map_or("", |url| url.trim_end_matches('/'));
    let (mut emails, mut invites) = (Vec::new(), Vec::new());
    for (n, invite) in ask.field("invites").and_then(Value::as_array).into_iter().flatten().enumerate() {
        let email = invite["email"].as_str().unwrap_or_default();
        let grants = given(workspace, invite.get("permissions"), &format!("invites.{n}.permissions"))?;
        let made = change.invite(workspace, email, &grants, ask.caller.grants())?;
        invites.push(json!({
            "email": made.email,
            "url": format!("{console}/invite/{}", made.token),
            "expiresAt": domicile_event::Stamp::of(made.expires_at.0).as_str(),
        }));
        emails.push(made.email);
    }
    Ok(json!({ "emails": emails, "invites": invites }).into())
}

fn delete_invites(change: &mut Change<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    for email in ask.query_list("emails") {
        change.delete_invite(ask.caller.workspace(), email)?;
    }
    Ok(Answer::success())
}

fn list_groups(view: &View<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let workspace = ask.caller.workspace();
    let page = view.groups(workspace, &ask.page.page())?;
    let pagination = ask.page.told(&page);
    let groups = page.rows.iter().map(|group| shown_group(view, workspace, group)).collect::<Result<Vec<_>, _>>()?;
    Ok(json!({ "userGroups": groups, "pagination": pagination }).into())
}

fn create_group(change: &mut Change<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let group = change.create_group(ask.caller.workspace(), ask.text("name").unwrap_or_default())?;
    one_group(change, ask.caller.workspace(), &group)
}

fn rename_group(change: &mut Change<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let name = ask.text("name").unwrap_or_default();
    let group = change.rename_group(ask.caller.workspace(), ask.id("userGroupId"), ask.if_version, name)?;
    one_group(change, ask.caller.workspace(), &group)
}

fn one_group(view: &View<'_>, workspace: &WorkspaceId, group: &Kept<Group>) -> Result<Answer, ApiError> {
    Ok(Answer::object("userGroup", shown_group(view, workspace, group)?, group.version))
}

fn shown_group(view: &View<'_>, workspace: &WorkspaceId, group: &Kept<Group>) -> Result<Value, ApiError> {
    let permissions = view.permissions(workspace, Subject::Group(&group.id))?;
    Ok(json!({
        "id": group.id,
        "name": group.value.name,
        "memberCount": view.group_size(workspace, &group.id)?,
        "permissions": held(workspace, &permissions),
    }))
}

fn list_members(view: &View<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let page = view.group_members(ask.caller.workspace(), ask.id("userGroupId"), &ask.page.page())?;
    let pagination = ask.page.told(&page);
    let users: Vec<_> =
        page.rows.iter().map(|user| json!({ "id": user.id, "name": user.name, "email": user.email })).collect();
    Ok(json!({ "users": users, "pagination": pagination }).into())
}

/// Changes who is in the group that the path names, by the body's `emails`.
fn members<'a>(
    change: &mut Change<'a>,
    ask: &Ask,
    how: impl FnOnce(&mut Change<'a>, &str, &[String]) -> Result<(), ControlError>,
) -> Result<Answer, ApiError> {
    let emails = ask.field("emails").and_then(Value::as_array).ok_or(Resource::User)?;
    let emails: Vec<String> = emails.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    how(change, ask.id("userGroupId"), &emails)?;
    let group = change.group(ask.caller.workspace(), ask.id("userGroupId"))?;
    one_group(change, ask.caller.workspace(), &group)
}
