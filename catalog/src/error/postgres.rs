//! PostgreSQL's SQLSTATE codes: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.

use sqlx::postgres::PgDatabaseError;

use super::CatalogError;

/// Two transactions stood in each other's way and this one was broken off: done again, it is likely to succeed.
pub(super) const CONFLICT: &str = "another transaction was in the way";

pub(super) fn read(error: &PgDatabaseError) -> CatalogError {
    let said = format!("{} (SQLSTATE {})", without_names(error.message()), error.code());
    let unavailable = |problem| CatalogError::unavailable(problem, said.clone());
    let denied = |problem| CatalogError::denied(problem, said.clone());
    match error.code() {
        "28P01" => denied("the user or the password is wrong"),
        "28000" => denied("the server does not let this user in from here: see its pg_hba.conf"),
        "3D000" => denied("there is no such database on the server: create it"),
        "42501" => denied("the user lacks a right: see the grants in docs/engines/postgresql.md"),
        "25006" => unavailable("the server is read-only: a replica, or a failover under way"),
        "57P03" => unavailable("the server is starting, stopping or recovering"),
        "57P01" | "57P02" | "57P05" => unavailable("the server ended the connection"),
        "25P03" => unavailable("a transaction stood still for too long, and the server ended it"),
        "57014" => unavailable("a statement took too long, and the server broke it off"),
        "55P03" => unavailable("what it needs is locked by another transaction"),
        "40001" | "40P01" => unavailable(CONFLICT),
        "53100" => unavailable("the server's disk is full: free some space"),
        "53200" => unavailable("the server has no memory left"),
        "53300" => {
            unavailable("the server has too many connections: lower DATABASE_MAX_CONNECTIONS, or raise its limit")
        }
        "58000" | "58030" => unavailable("the server's disk fails"),
        "26000" | "42P05" => denied("a pooler mixes sessions up: see docs/engines/postgresql.md"),
        "3F000" | "42P01" | "42703" => CatalogError::NotMigrated,
        "XX001" | "XX002" => CatalogError::Corrupt { source: said.into() },
        code if code.starts_with("08") => unavailable("the server or a pooler refused the connection"),
        code if code.starts_with("53") => unavailable("the server is at one of its limits"),
        _ => CatalogError::Database { source: said.into() },
    }
}

/// The server names users and roles in quotes; they are part of the URL's secret half.
fn without_names(message: &str) -> String {
    let mut shown = String::new();
    let mut rest = message;
    while let Some(start) = ["user \"", "role \""].iter().filter_map(|word| Some(rest.find(word)? + word.len())).min() {
        shown.push_str(&rest[..start]);
        // A quote within a name is doubled, and a message that is cut has no closing one.
        let end = rest[start..].find('"').map_or(rest.len(), |length| start + length);
        shown.push('…');
        rest = &rest[end..];
    }
    shown + rest
}
