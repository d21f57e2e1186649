//! Server reflection, v1 and v1alpha, from encoded descriptor sets: decoded ones would have lost the custom options.

use tonic_reflection::pb;
use tonic_reflection::server::{Builder, Error};
use tonic_reflection::server::{v1, v1alpha};

/// `grpc.reflection.v1`: knows every symbol of `descriptor_sets` and lists `services`.
pub fn v1(
    descriptor_sets: &[&[u8]],
    services: &[&str],
) -> Result<v1::ServerReflectionServer<impl v1::ServerReflection>, Error> {
    builder(descriptor_sets, services).build_v1()
}

/// `grpc.reflection.v1alpha`, which older clients ask for: knows every symbol of `descriptor_sets` and lists `services`.
pub fn v1alpha(
    descriptor_sets: &[&[u8]],
    services: &[&str],
) -> Result<v1alpha::ServerReflectionServer<impl v1alpha::ServerReflection>, Error> {
    builder(descriptor_sets, services).build_v1alpha()
}

fn builder<'a>(descriptor_sets: &[&'a [u8]], services: &[&str]) -> Builder<'a> {
    // Both are served, so each has to know the other's symbols.
    let own = [pb::v1::FILE_DESCRIPTOR_SET, pb::v1alpha::FILE_DESCRIPTOR_SET];
    let builder = descriptor_sets
        .iter()
        .copied()
        .chain(own)
        .fold(Builder::configure(), Builder::register_encoded_file_descriptor_set);
    services.iter().fold(builder, |builder, service| builder.with_service_name(*service))
}
