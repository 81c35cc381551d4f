//! Sealed objects: age encryption over an object store.
