//! In whose name a command acts.

/// Who the audit log names: `CALLVAULT_ACTOR`, else the user of this terminal.
pub(crate) fn actor() -> String {
    let names = ["CALLVAULT_ACTOR", "SUDO_USER", "USER", "LOGNAME"].into_iter();
    names
        .filter_map(|name| std::env::var(name).ok())
        .find(|name| !name.is_empty())
        .unwrap_or_else(|| "unknown".to_owned())
}
