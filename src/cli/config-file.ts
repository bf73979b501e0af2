/** Reads a configuration file; src/cli/yaml-file.ts says where in it something is wrong. */
import { dirname, resolve } from 'node:path'
import { type Configuration, configurationSchema, type TlsFiles } from './config-schema.js'
import { readYamlFile } from './yaml-file.js'

export { reasonOf } from './yaml-file.js'

/**
 * Reads and checks the file; paths in it come back absolute.
 *
 * @throws MqttError ERR_MQTT_INVALID_CONFIG, one line `file:line:column: what` for each thing that is wrong.
 */
export function readConfigurationFile(path: string): Configuration {
  const configuration = readYamlFile(path, 'configuration file', configurationSchema)
  return withAbsolutePaths(configuration, dirname(resolve(path)))
}

function withAbsolutePaths(configuration: Configuration, directory: string): Configuration {
  const absolute = (path: string | undefined) => (path === undefined ? undefined : resolve(directory, path))
  const files = (tls: TlsFiles | undefined): TlsFiles | undefined =>
    tls && {
      ...tls,
      certFile: absolute(tls.certFile),
      keyFile: absolute(tls.keyFile),
      caFile: absolute(tls.caFile),
    }
  return {
    ...configuration,
    usersFile: absolute(configuration.usersFile),
    store: configuration.store && { ...configuration.store, path: absolute(configuration.store.path) },
    tls: files(configuration.tls),
    listeners: configuration.listeners?.map((listener) => ({ ...listener, tls: files(listener.tls) })),
  }
}
