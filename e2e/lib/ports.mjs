// Addresses for the servers of a test. Every server gets a loopback address of its own: a browser takes two
// of them for two sites, as it does two companies, while ports of one address are one site and share cookies.

import net from 'node:net'

export const host = {
  signet: '127.0.0.1',
  oidcProvider: '127.0.0.2',
  simplesamlphp: '127.0.0.3',
  app: '127.0.0.4',
  otherApp: '127.0.0.5',
  apache: '127.0.0.6',
}

/** A port of an address that is free at this moment. */
export function freePort(address) {
  return new Promise((resolve, reject) => {
    const server = net.createServer()
    server.on('error', reject)
    server.listen(0, address, () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}

/** Starts an http.Server on a free port of an address and gives its origin. */
export function listen(server, address) {
  return new Promise((resolve, reject) => {
    server.on('error', reject)
    server.listen(0, address, () => resolve(`http://${address}:${server.address().port}`))
  })
}

/** Closes an http.Server together with the connections that browsers keep open. */
export function close(server) {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}
