//! Every door of the house in one table. The router, the API description and the test that knocks at each
//! door in each role are made from it.

use std::sync::Arc;

use axum::{
    http::Method,
    routing::{MethodRouter, get, post},
};
use yihe_store::Role;

use crate::{api, serve, state::AppState};

/// One door.
#[derive(Debug)]
pub struct Route {
    /// Method.
    pub method: Method,
    /// Path as axum reads it; `{name}` is one segment, `{*name}` the rest.
    pub path: &'static str,
    /// Who may pass.
    pub who: Who,
    /// What is behind it.
    pub face: Face,
    /// One line for the API description.
    pub summary: &'static str,
    /// Parameters in the query, name and meaning.
    pub query: &'static [(&'static str, &'static str)],
    /// The handler.
    pub handler: fn() -> MethodRouter<Arc<AppState>>,
}

/// Who may pass a door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Everybody.
    Anyone,
    /// Every account.
    SignedIn,
    /// Accounts with one of these roles. What they may do there is the room's to decide.
    Roles(&'static [Role]),
    /// Who brings an access token. What it opens is decided where the supply is planned.
    Token,
}

/// What is behind a door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    /// A page.
    Page,
    /// A form of a page: its token is checked.
    Form,
    /// JSON.
    Api,
    /// A file.
    File,
}

const PARTIES: &[Role] = &[Role::Officer, Role::Head, Role::Reviewer];

const OFFICERS: &[Role] = &[Role::Officer];

const SEARCH: Query = &[
    ("q", "Words, pinyin or initials"),
    ("department", "Identifier of the providing department"),
    ("sharing", "unconditional, conditional or withheld"),
    ("page", "Page, from 1"),
];

const FAULTS: Query = &[
    ("rule", "Rule"),
    ("state", "open, excused, corrected, gone, withdrawn or all"),
    ("held", "1: only rows that are held back"),
    ("page", "Page, from 1"),
];

/// The table.
pub static ROUTES: [Route; 73] = [
    page("/", Who::Anyone, "The city's numbers", &[], || get(serve::home::show)),
    page("/catalogue", Who::Anyone, "Searches the catalogue", SEARCH, || get(serve::catalogue::show)),
    page("/catalogue/{*code}", Who::Anyone, "An entry of the catalogue", &[], || get(serve::entry::show)),
    page(
        "/requests/new",
        Who::Roles(OFFICERS),
        "The form that asks for a share",
        &[("entry", "Resource code")],
        || get(serve::apply::show),
    ),
    form("/requests", Who::Roles(OFFICERS), "Drafts a share request and sends it for signature", || {
        post(serve::apply::create)
    }),
    page("/requests/{id}", Who::Roles(PARTIES), "A share request with its clock", &[], || get(serve::request::show)),
    page("/requests/{id}/edit", Who::Roles(OFFICERS), "The form of a request that may be rewritten", &[], || {
        get(serve::apply::edit)
    }),
    form("/requests/{id}/edit", Who::Roles(OFFICERS), "Rewrites a request", || post(serve::apply::amend)),
    form("/requests/{id}/{act}", Who::Roles(PARTIES), "Takes a step on a request", || post(serve::request::act)),
    page("/grants", Who::Roles(PARTIES), "Grants of the account's department", &[], || get(serve::grants::show)),
    form("/grants/{id}/{act}", Who::Roles(PARTIES), "Makes a token, or suspends, resumes or ends a grant", || {
        post(serve::grants::act)
    }),
    page("/registries", Who::Anyone, "The base registries", &[], || get(serve::registry::list)),
    page("/themes/{id}", Who::Anyone, "A theme: what it joins, from whom, how full it is", &[], || {
        get(serve::registry::theme::show)
    }),
    page("/registries/{id}", Who::Anyone, "A base registry: fields with their sources, departments", &[], || {
        get(serve::registry::show)
    }),
    page("/quality", Who::Anyone, "The quality of the city's data", &[], || get(serve::quality::city)),
    page("/quality/departments/{id}", Who::Anyone, "The quality of a department's data", &[], || {
        get(serve::quality::department)
    }),
    page("/quality/counties/{code}", Who::Anyone, "The quality of the records of a county", &[], || {
        get(serve::quality::county)
    }),
    page(
        "/quality/datasets/{id}",
        Who::Anyone,
        "The quality of a dataset; its rows at fault for those who answer for it",
        FAULTS,
        || get(serve::quality::dataset::show),
    ),
    Route {
        method: Method::GET,
        path: "/quality/datasets/{id}/faults.xlsx",
        who: Who::Roles(PARTIES),
        face: Face::File,
        summary: "The rows at fault as a workbook",
        query: FAULTS,
        handler: || get(serve::quality::workbook::download),
    },
    form(
        "/registries/{id}/search",
        Who::Roles(PARTIES),
        "Finds a record by its number, which stands in the form",
        || post(serve::registry::record::search),
    ),
    page("/registries/{id}/records/{entity}", Who::Roles(PARTIES), "A golden record, masked", &[], || {
        get(serve::registry::record::show)
    }),
    form(
        "/registries/{id}/records/{entity}/clear",
        Who::Roles(PARTIES),
        "Shows a golden record in clear, for a reason that goes to the ledger",
        || post(serve::registry::record::clear),
    ),
    page("/registries/{id}/pairs/{pair}", Who::Roles(PARTIES), "A doubtful pair with its weights", &[], || {
        get(serve::registry::pair::show)
    }),
    form(
        "/registries/{id}/pairs/{pair}/{act}",
        Who::Roles(PARTIES),
        "Answers a doubtful pair, or shows it in clear for a reason that goes to the ledger",
        || post(serve::registry::pair::act),
    ),
    page(
        "/registries/{id}/review",
        Who::Roles(PARTIES),
        "Doubtful pairs that wait for the account, the least certain first",
        &[("after", "Pairs to leave out at the front")],
        || get(serve::registry::pair::list),
    ),
    page("/registries/{id}/review/agreement", Who::Roles(PARTIES), "How far reviewers agree", &[], || {
        get(serve::registry::pair::agreement)
    }),
    page(
        "/registries/{id}/what-if",
        Who::Roles(PARTIES),
        "The form that tries another order of authority",
        &[("field", "Field")],
        || get(serve::registry::trial::form),
    ),
    form("/registries/{id}/what-if", Who::Roles(PARTIES), "Begins a trial of another order of authority", || {
        post(serve::registry::trial::begin)
    }),
    page("/registries/{id}/what-if/{trial}", Who::Roles(PARTIES), "What a trial came to", &[], || {
        get(serve::registry::trial::show)
    }),
    page(
        "/tickets",
        Who::Roles(PARTIES),
        "Tickets of the account's department",
        &[("state", "open, closed or all"), ("page", "Page, from 1")],
        || get(serve::ticket::list),
    ),
    page("/tickets/{id}", Who::Roles(PARTIES), "A ticket with its evidence and clock", &[], || {
        get(serve::ticket::show)
    }),
    form(
        "/tickets/{id}/{act}",
        Who::Roles(PARTIES),
        "Answers a ticket, opens it again, takes an objection back",
        || post(serve::ticket::act),
    ),
    page("/notices/{id}", Who::Roles(PARTIES), "A notice of a correction", &[], || get(serve::ticket::notice)),
    form("/notices/{id}/acknowledge", Who::Roles(PARTIES), "Acknowledges a notice", || {
        post(serve::ticket::acknowledge)
    }),
    page(
        "/objections/new",
        Who::Roles(OFFICERS),
        "The form that objects to a supplied record",
        &[("receipt", "Receipt of the supply")],
        || get(serve::objection::show),
    ),
    form("/objections", Who::Roles(OFFICERS), "Raises an objection", || post(serve::objection::create)),
    page("/docket", Who::Roles(PARTIES), "What waits for the account", &[], || get(serve::docket::show)),
    page("/ledger", Who::Anyone, "The ledger's state and how to verify it", &[], || get(serve::ledger::show)),
    page("/login", Who::Anyone, "The sign-in form", &[("next", "Where to go afterwards")], || get(serve::login::show)),
    form("/login", Who::Anyone, "Signs in", || post(serve::login::sign_in)),
    form("/logout", Who::SignedIn, "Signs out", || post(serve::login::sign_out)),
    page("/problems/{slug}", Who::Anyone, "What a problem type means", &[], || get(serve::problems::show)),
    file("/assets/{file}", "An embedded file", || get(serve::assets::show)),
    file("/ledger/checkpoint", "The signed head of the SHA-256 tree (C2SP tlog-checkpoint)", || {
        get(serve::ledger::checkpoint)
    }),
    file("/ledger/proof/{index}", "The proof that an entry stands in the tree (C2SP tlog-proof)", || {
        get(serve::ledger::proof)
    }),
    file("/ledger/items/{id}", "Entry, payload and salt of one ledger entry, for those who may see its page", || {
        get(serve::proof::item)
    }),
    file(
        "/ledger/calls/{receipt}",
        "The entry of a supplied call with the call's own proof, for the grant's parties",
        || get(serve::proof::call),
    ),
    file("/ledger/policy", "Whom to believe: log keys, witnesses, quorum (C2SP tlog-policy)", || {
        get(serve::ledger::policy)
    }),
    file("/ledger/verifier-keys", "The ledger's public keys, present and retired", || {
        get(serve::ledger::verifier_keys)
    }),
    file("/ledger/witnessed/checkpoint", "The last head with its cosignatures (C2SP tlog-cosignature)", || {
        get(serve::ledger::witnessed)
    }),
    file("/ledger/sm3/witnessed/checkpoint", "The last cosigned head of the SM3 tree", || {
        get(serve::ledger::sm3_witnessed)
    }),
    file("/ledger/tile/{*path}", "A tile or entry bundle (C2SP tlog-tiles)", || get(serve::ledger::tile)),
    file("/ledger/sm3/checkpoint", "The signed head of the SM3 tree", || get(serve::ledger::sm3_checkpoint)),
    file("/ledger/sm3/tile/{*path}", "A tile of the SM3 tree", || get(serve::ledger::sm3_tile)),
    api_route(Method::GET, "/healthz", Who::Anyone, "Whether the store answers", &[], || get(api::health::show)),
    api_route(Method::GET, "/api/v1/openapi.json", Who::Anyone, "This description", &[], || get(api::openapi::show)),
    api_route(Method::GET, "/api/v1/city", Who::Anyone, "The numbers of the home page", &[], || get(api::city::show)),
    api_route(Method::GET, "/api/v1/catalogue", Who::Anyone, "Searches the catalogue", SEARCH, || {
        get(api::catalogue::list)
    }),
    api_route(Method::GET, "/api/v1/catalogue/{*code}", Who::Anyone, "An entry of the catalogue", &[], || {
        get(api::catalogue::show)
    }),
    api_route(Method::GET, "/api/v1/quality", Who::Anyone, "Scores of the city, departments and counties", &[], || {
        get(api::quality::city)
    }),
    api_route(
        Method::GET,
        "/api/v1/quality/datasets/{id}",
        Who::Anyone,
        "Score, rules and history of a dataset",
        &[],
        || get(api::quality::dataset),
    ),
    api_route(Method::GET, "/api/v1/registries", Who::Anyone, "The base registries with their figures", &[], || {
        get(api::registry::list)
    }),
    api_route(Method::GET, "/api/v1/themes/{id}", Who::Anyone, "A theme: columns, sources, quality", &[], || {
        get(api::registry::theme)
    }),
    api_route(
        Method::GET,
        "/api/v1/registries/{id}",
        Who::Anyone,
        "Fields with their sources, departments",
        &[],
        || get(api::registry::show),
    ),
    api_route(
        Method::POST,
        "/api/v1/registries/{id}/search",
        Who::Roles(PARTIES),
        "The name of the entity of a number: JSON of key",
        &[],
        || post(api::registry::search),
    ),
    api_route(
        Method::GET,
        "/api/v1/registries/{id}/records/{entity}",
        Who::Roles(PARTIES),
        "A golden record: values masked, sources, values that lost and why",
        &[],
        || get(api::registry::record),
    ),
    api_route(
        Method::GET,
        "/api/v1/registries/{id}/pairs/{pair}",
        Who::Roles(PARTIES),
        "The weights of a pair, values masked",
        &[],
        || get(api::registry::pair),
    ),
    api_route(
        Method::GET,
        "/api/v1/registries/{id}/review",
        Who::Roles(PARTIES),
        "Doubtful pairs that wait for the account",
        &[("after", "Pairs to leave out at the front")],
        || get(api::registry::review),
    ),
    api_route(
        Method::GET,
        "/api/v1/registries/{id}/review/agreement",
        Who::Roles(PARTIES),
        "How far reviewers agree: share, kappa, figures of each",
        &[],
        || get(api::registry::agreement),
    ),
    api_route(
        Method::GET,
        "/api/v1/registries/{id}/what-if/{trial}",
        Who::Roles(PARTIES),
        "What a trial of another order of authority came to, examples masked",
        &[],
        || get(api::registry::trial),
    ),
    api_route(
        Method::POST,
        "/api/v1/objections",
        Who::Token,
        "Objects to a supplied record: JSON of receipt, field, statement",
        &[],
        || post(serve::objection::receive),
    ),
    api_route(
        Method::GET,
        "/api/v1/share/{resource}/records/{*key}",
        Who::Token,
        "One record by its key, under a grant",
        &[],
        || get(api::share::record),
    ),
    api_route(Method::GET, "/api/v1/ledger/checkpoint", Who::Anyone, "The signed head of the ledger", &[], || {
        get(serve::ledger::checkpoint)
    }),
];

type Query = &'static [(&'static str, &'static str)];
type Handler = fn() -> MethodRouter<Arc<AppState>>;

const fn page(path: &'static str, who: Who, summary: &'static str, query: Query, handler: Handler) -> Route {
    Route { method: Method::GET, path, who, face: Face::Page, summary, query, handler }
}

const fn form(path: &'static str, who: Who, summary: &'static str, handler: Handler) -> Route {
    Route { method: Method::POST, path, who, face: Face::Form, summary, query: &[], handler }
}

const fn file(path: &'static str, summary: &'static str, handler: Handler) -> Route {
    Route { method: Method::GET, path, who: Who::Anyone, face: Face::File, summary, query: &[], handler }
}

const fn api_route(
    method: Method,
    path: &'static str,
    who: Who,
    summary: &'static str,
    query: Query,
    handler: Handler,
) -> Route {
    Route { method, path, who, face: Face::Api, summary, query, handler }
}
