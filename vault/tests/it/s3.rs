//! The S3 store, on two servers.
//!
//! - s3s-fs, in this process: checks every signature and the checksums of single puts. It keeps no versions, and no list
//!   of the uploads under way: the latter is kept for it here, in front of it, in the same protocol.
//! - moto: keeps versions and locks, tells encryption, and takes any credentials. It dates every upload under way to the
//!   year 2010, so the chapter on sweeping means nothing there but that old ones go.
//!
//! What neither can show (a server that is overloaded, lies, or breaks off) is played by the tap in front of s3s-fs.

mod broken;
mod deleting;
mod locked;
mod moto;
mod official;
mod parts;
mod refused;
mod server;
mod streamed;
mod tap;
mod wire;

mod on_s3s {
    vault::contract_tests!(crate::s3::server::fresh);
}

mod on_moto {
    vault::contract_tests!(crate::s3::moto::fresh; writing reading deleting listing sealing);
}

mod on_moto_versioned {
    vault::contract_tests!(crate::s3::moto::fresh_versioned; writing reading deleting listing sealing);
}
