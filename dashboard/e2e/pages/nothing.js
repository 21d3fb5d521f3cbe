// Stands for node's "path", which vue-plausible names for Nuxt's build and no browser has. Vite and webpack put as much in its place.
