//! Columns of a database row as the types we use. What can't be read as such means a damaged catalog.

use std::error::Error;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::any::AnyRow;

/// A row read by column names. Times are UTC milliseconds, booleans 0 or 1, JSON is text.
pub(crate) struct Columns<'r>(pub(crate) &'r AnyRow);

impl Columns<'_> {
    pub(crate) fn text(&self, name: &str) -> Result<String, sqlx::Error> {
        self.0.try_get(name)
    }

    pub(crate) fn text_or_null(&self, name: &str) -> Result<Option<String>, sqlx::Error> {
        self.0.try_get(name)
    }

    pub(crate) fn flag(&self, name: &str) -> Result<bool, sqlx::Error> {
        Ok(self.0.try_get::<i64, _>(name)? != 0)
    }

    pub(crate) fn number<T: TryFrom<i64, Error: Error + Send + Sync + 'static>>(
        &self,
        name: &str,
    ) -> Result<T, sqlx::Error> {
        T::try_from(self.0.try_get::<i64, _>(name)?).map_err(|error| unreadable(name, error))
    }

    pub(crate) fn number_or_null<T>(&self, name: &str) -> Result<Option<T>, sqlx::Error>
    where
        T: TryFrom<i64, Error: Error + Send + Sync + 'static>,
    {
        let number: Option<i64> = self.0.try_get(name)?;
        number.map(T::try_from).transpose().map_err(|error| unreadable(name, error))
    }

    pub(crate) fn real_or_null(&self, name: &str) -> Result<Option<f64>, sqlx::Error> {
        self.0.try_get(name)
    }

    pub(crate) fn time(&self, name: &str) -> Result<DateTime<Utc>, sqlx::Error> {
        self.time_or_null(name)?.ok_or_else(|| unreadable(name, "a time is missing"))
    }

    pub(crate) fn time_or_null(&self, name: &str) -> Result<Option<DateTime<Utc>>, sqlx::Error> {
        let millis: Option<i64> = self.0.try_get(name)?;
        let out_of_range = || unreadable(name, "a time out of range");
        millis.map(|millis| DateTime::from_timestamp_millis(millis).ok_or_else(out_of_range)).transpose()
    }

    /// A word or a SID.
    pub(crate) fn parsed<T: FromStr<Err: Error + Send + Sync + 'static>>(&self, name: &str) -> Result<T, sqlx::Error> {
        self.text(name)?.parse().map_err(|error| unreadable(name, error))
    }

    pub(crate) fn parsed_or_null<T>(&self, name: &str) -> Result<Option<T>, sqlx::Error>
    where
        T: FromStr<Err: Error + Send + Sync + 'static>,
    {
        self.text_or_null(name)?.map(|text| text.parse()).transpose().map_err(|error| unreadable(name, error))
    }

    pub(crate) fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T, sqlx::Error> {
        serde_json::from_str(&self.text(name)?).map_err(|error| unreadable(name, error))
    }

    pub(crate) fn json_or_null<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, sqlx::Error> {
        let text = self.text_or_null(name)?;
        text.map(|text| serde_json::from_str(&text)).transpose().map_err(|error| unreadable(name, error))
    }
}

fn unreadable(name: &str, error: impl Into<Box<dyn Error + Send + Sync>>) -> sqlx::Error {
    sqlx::Error::ColumnDecode { index: name.to_owned(), source: error.into() }
}

/// A value as its JSON text.
pub(crate) fn to_json(value: &impl serde::Serialize) -> Result<String, sqlx::Error> {
    serde_json::to_string(value).map_err(|error| sqlx::Error::Encode(error.into()))
}
