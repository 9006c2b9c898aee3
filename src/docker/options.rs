//! What a new container can be given beyond the usual → the body of the request that makes it.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, DeviceMapping, DeviceRequest, HostConfigLogConfig, ResourcesUlimits,
};

use crate::model::options::{ContainerOptions, Device, Gpus, Pids, SecurityOption, Tmpfs, Ulimit};

use super::service_body::mount;

/// Puts it all in. What was not asked for is left to the Engine.
pub(super) fn put(options: ContainerOptions, body: &mut ContainerCreateBody) {
    // How the container joins its networks, and which platform it is of, stands beside the body.
    let ContainerOptions {
        mounts,
        tmpfs,
        volumes_from,
        aliases: _,
        dns,
        extra_hosts,
        memory,
        cpus,
        pids_limit,
        shm_size,
        ulimits,
        cap_add,
        cap_drop,
        devices,
        gpus,
        security,
        read_only,
        init,
        labels,
        stop_signal,
        platform: _,
        runtime,
        log_driver,
        log_options,
    } = options;
    body.stop_signal = stop_signal;
    // Ours go over them.
    for (name, value) in labels {
        body.labels.get_or_insert_default().entry(name).or_insert(value);
    }
    let host = body.host_config.get_or_insert_default();
    host.mounts = list(mounts.into_iter().map(mount));
    if !tmpfs.is_empty() {
        host.tmpfs = Some(tmpfs.into_iter().map(|Tmpfs { path, options }| (path, options)).collect());
    }
    host.volumes_from = list(volumes_from);
    host.dns = list(dns);
    host.extra_hosts = list(extra_hosts);
    host.memory = memory.map(|it| signed(it.0));
    host.nano_cpus = cpus.map(|it| signed(it.0));
    host.pids_limit = pids_limit.map(|it| match it {
        Pids::Most(count) => count.into(),
        Pids::Unlimited => -1,
    });
    host.shm_size = shm_size.map(|it| signed(it.0));
    host.ulimits = list(ulimits.into_iter().map(|Ulimit { name, soft, hard }| ResourcesUlimits {
        name: Some(name.to_owned()),
        soft: Some(soft),
        hard: Some(hard),
    }));
    host.cap_add = list(cap_add);
    host.cap_drop = list(cap_drop);
    host.devices = list(devices.into_iter().map(|Device { source, target, permissions }| DeviceMapping {
        path_on_host: Some(source),
        path_in_container: Some(target),
        cgroup_permissions: Some(permissions),
    }));
    host.device_requests = gpus.map(|Gpus { count, devices, driver, capabilities, text: _ }| {
        vec![DeviceRequest {
            driver: Some(driver),
            count,
            device_ids: list(devices),
            capabilities: Some(vec![capabilities]),
            options: None,
        }]
    });
    if security.contains(&SecurityOption::AllPaths) {
        // What an Engine is told is not the word, but that no path is hidden.
        host.masked_paths = Some(Vec::new());
        host.readonly_paths = Some(Vec::new());
    }
    let told = security.iter().filter(|it| **it != SecurityOption::AllPaths);
    host.security_opt = list(told.map(ToString::to_string));
    host.readonly_rootfs = Some(read_only);
    host.init = init;
    host.runtime = runtime;
    let options: HashMap<String, String> = log_options.0.into_iter().collect();
    if log_driver.is_some() || !options.is_empty() {
        host.log_config = Some(HostConfigLogConfig { typ: log_driver, config: Some(options) });
    }
}

fn list<T>(items: impl IntoIterator<Item = T>) -> Option<Vec<T>> {
    let items: Vec<T> = items.into_iter().collect();
    (!items.is_empty()).then_some(items)
}

fn signed(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}
