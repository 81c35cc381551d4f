//! The command line: words, placeholders, and where the program is.

use std::env;
use std::path::PathBuf;

use rustix::fs::{Access, access};

use crate::TranscribeOptions;
use crate::error::{FaultKind, TranscriberError};

const AUDIO: &str = "{audio}";

/// A command line split into words; there is at least the program.
pub(super) struct CommandLine {
    words: Vec<String>,
}

impl CommandLine {
    pub(super) fn parse(command: &str) -> Result<Self, TranscriberError> {
        let words =
            shell_words::split(command).map_err(|_| misconfigured("has a quote that is not closed".to_owned()))?;
        if words.first().is_none_or(String::is_empty) {
            return Err(misconfigured("is empty: it should name a program".to_owned()));
        }
        Ok(Self { words })
    }

    pub(super) fn program(&self) -> &str {
        &self.words[0]
    }

    pub(super) fn wants_file(&self) -> bool {
        self.words.iter().any(|word| word.contains(AUDIO))
    }

    /// Program and arguments with every placeholder replaced.
    pub(super) fn arguments(&self, audio: Option<&str>, channels: u8, options: &TranscribeOptions) -> Vec<String> {
        let values = [
            (AUDIO, audio.unwrap_or_default()),
            ("{channels}", &channels.to_string()),
            ("{language}", options.language.as_deref().unwrap_or_default()),
            ("{model}", options.model.as_deref().unwrap_or_default()),
        ];
        self.words.iter().map(|word| replaced(word, &values)).collect()
    }

    /// Where the program is: itself where it is a path, else found in `PATH`.
    pub(super) fn find_program(&self) -> Result<PathBuf, TranscriberError> {
        let program = self.program();
        let places: Vec<PathBuf> = if program.contains('/') {
            vec![PathBuf::from(program)]
        } else {
            env::split_paths(&env::var_os("PATH").unwrap_or_default()).map(|folder| folder.join(program)).collect()
        };
        let is_program = |path: &PathBuf| path.is_file() && access(path, Access::EXEC_OK).is_ok();
        places.into_iter().find(is_program).ok_or_else(|| misconfigured(format!("names {program}, which can't be run")))
    }
}

/// One pass, so that a value that looks like a placeholder stays what it is.
fn replaced(word: &str, values: &[(&str, &str)]) -> String {
    let mut result = String::new();
    let mut rest = word;
    while let Some(at) = rest.find('{') {
        let (before, from_brace) = rest.split_at(at);
        result.push_str(before);
        let (name, value) = values.iter().find(|(name, _)| from_brace.starts_with(name)).copied().unwrap_or(("{", "{"));
        result.push_str(value);
        rest = &from_brace[name.len()..];
    }
    result + rest
}

/// A fault of the setting, which every recording meets alike.
pub(super) fn misconfigured(problem: String) -> TranscriberError {
    TranscriberError::new(FaultKind::Unauthorized, format!("TRANSCRIPTION_COMMAND {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(command: &str, language: Option<&str>) -> Vec<String> {
        let options = TranscribeOptions { model: Some("{channels}".to_owned()), language: language.map(str::to_owned) };
        CommandLine::parse(command).expect(command).arguments(Some("/proc/7/fd/9"), 2, &options)
    }

    #[test]
    fn words_are_split_as_a_shell_splits_them() {
        let words = arguments(r#"recognise 'two words' "a \"quote\"" back\ slash $HOME '' | tee"#, None);
        assert_eq!(words, ["recognise", "two words", "a \"quote\"", "back slash", "$HOME", "", "|", "tee"]);
    }

    #[test]
    fn placeholders_are_replaced_within_words() {
        let words = arguments("recognise --in={audio} -c {channels} -l {language} awk{print}", Some("en"));
        assert_eq!(words, ["recognise", "--in=/proc/7/fd/9", "-c", "2", "-l", "en", "awk{print}"]);
    }

    #[test]
    fn unset_language_is_an_empty_argument() {
        assert_eq!(arguments("recognise {language}", None), ["recognise", ""]);
    }

    #[test]
    fn value_that_looks_like_a_placeholder_stays() {
        assert_eq!(arguments("recognise {model}", None), ["recognise", "{channels}"]);
    }

    #[test]
    fn command_line_without_a_program_or_with_an_open_quote_is_refused() {
        for command in ["", "   ", "''", "recognise 'open"] {
            let error = CommandLine::parse(command).err().expect(command);
            assert_eq!(error.kind, FaultKind::Unauthorized, "{command:?}");
        }
    }
}
