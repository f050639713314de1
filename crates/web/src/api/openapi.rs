//! The API description (`OpenAPI` 3.1), made from the route table, so it cannot name a door that is not there
//! or forget one that is.

use axum::{Json, response::IntoResponse};
use serde_json::{Map, Value, json};

use crate::{
    problem::Kind,
    routes::{Face, ROUTES, Route, Who},
    serve::Answer,
};

/// `GET /api/v1/openapi.json`
pub async fn show() -> Answer {
    Ok(Json(document()).into_response())
}

/// The whole description.
#[must_use]
pub fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in &ROUTES {
        let item = paths.entry(described_path(route.path)).or_insert_with(|| json!({}));
        item[route.method.as_str().to_ascii_lowercase()] = operation(route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "沂河 Yihe",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "公共数据平台接口。Every answer that refuses is problem details (RFC 9457); `trace_id` names it in the log.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer", "description": "An access token of a grant, made on the page of grants." },
                "session": { "type": "apiKey", "in": "cookie", "name": crate::session::SESSION_COOKIE },
            },
            "schemas": { "Problem": problem_schema() },
        },
    })
}

/// `OpenAPI` knows no wildcard; the rest of a path is a parameter as any other.
fn described_path(path: &str) -> String {
    path.replace("{*", "{")
}

fn operation(route: &Route) -> Value {
    let mut parameters: Vec<Value> = path_parameters(route.path)
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect();
    for (name, meaning) in route.query {
        parameters.push(json!({ "name": name, "in": "query", "required": false, "description": meaning, "schema": { "type": "string" } }));
    }
    if route.who == Who::Token && route.method == axum::http::Method::GET {
        for (name, required, meaning) in crate::api::share::HEADERS {
            parameters.push(json!({ "name": name, "in": "header", "required": required, "description": meaning, "schema": { "type": "string" } }));
        }
    }
    let media_type = match route.face {
        Face::Page | Face::Form => "text/html",
        Face::Api => "application/json",
        Face::File => "application/octet-stream",
    };
    let mut operation = json!({
        "summary": route.summary,
        "parameters": parameters,
        "responses": {
            "200": { "description": "Done", "content": { media_type: {} } },
            "default": { "description": "Refused", "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } } },
        },
    });
    match route.who {
        Who::Anyone => {}
        Who::SignedIn | Who::Roles(_) => operation["security"] = json!([{ "session": [] }]),
        Who::Token => operation["security"] = json!([{ "token": [] }]),
    }
    operation
}

fn path_parameters(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|segment| Some(segment.strip_prefix('{')?.strip_suffix('}')?.trim_start_matches('*')))
}

fn problem_schema() -> Value {
    let types: Vec<String> = Kind::ALL.iter().map(|kind| format!("/problems/{}", kind.slug())).collect();
    json!({
        "type": "object",
        "required": ["type", "title", "status", "detail", "instance", "trace_id"],
        "properties": {
            "type": { "type": "string", "enum": types },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string" },
            "instance": { "type": "string" },
            "trace_id": { "type": "string" },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_described() {
        let document = document();
        for route in &ROUTES {
            let method = route.method.as_str().to_ascii_lowercase();
            let operation = &document["paths"][described_path(route.path)][&method];
            assert_eq!(operation["summary"], route.summary, "{} {}", route.method, route.path);
        }
        let described: usize = document["paths"]
            .as_object()
            .expect("paths")
            .values()
            .map(|item| item.as_object().expect("an item").len())
            .sum();
        assert_eq!(described, ROUTES.len(), "two routes share method and path, or one is described that is not there");
    }
}
