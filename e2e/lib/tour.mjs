// A walk past every page that Signet shows.

import { arrived, choose, password, signIn } from './pages.mjs'
import { cancel, signIn as atGlobex } from '../peers/oidc-provider.mjs'

/** The pages, each with the way to it. Every way begins in a browser without cookies. */
export const pages = {
  choose: async (stage, page) => {
    await page.goto(`${stage.app.origin}/login`)
    await page.locator('#choose').waitFor()
  },
  'choose-unknown-email': async (stage, page) => {
    await page.goto(`${stage.app.origin}/login`)
    await page.locator('#email').fill('someone@nowhere.example')
    await page.locator('#email').press('Enter')
    await page.locator('#notice').waitFor()
  },
  password: async (stage, page) => {
    await page.goto(`${stage.app.origin}/login`)
    await choose(page, 'local')
    await page.locator('#username').waitFor()
  },
  'password-wrong': async (stage, page) => {
    await page.goto(`${stage.app.origin}/login`)
    await choose(page, 'local')
    await password(page, stage.eve.username, 'not this one')
    await page.locator('#problem').waitFor()
  },
  'error-cancelled-upstream': async (stage, page) => {
    await page.goto(`${stage.app.origin}/login`)
    await choose(page, 'globex')
    await cancel(page)
    await page.locator('#error').waitFor()
  },
  'error-finished-already': async (stage, page) => {
    await page.goto(`${stage.app.origin}/login`)
    await page.locator('#choose').waitFor()
    const login = page.url()
    await choose(page, 'local')
    await password(page, stage.eve.username, stage.eve.password)
    await arrived(page, stage.app)
    await page.goto(login)
    await page.locator('#error').waitFor()
  },
  'error-another-browser': async (stage, page) => {
    await stage.visit('tour-other', async (other) => {
      await other.goto(`${stage.app.origin}/login`)
      await other.locator('#choose').waitFor()
      await page.goto(other.url())
      await page.locator('#error').waitFor()
    })
  },
  'error-unknown-app': async (stage, page) => {
    await page.goto(`${stage.issuer}/authorize?client_id=nobody&response_type=code&redirect_uri=${encodeURIComponent(stage.app.redirectURI)}`)
    await page.locator('#error').waitFor()
  },
  'error-wrong-redirect-uri': async (stage, page) => {
    await page.goto(`${stage.issuer}/authorize?client_id=web&response_type=code&scope=openid&redirect_uri=https://attacker.example/`)
    await page.locator('#error').waitFor()
  },
  'error-not-found': async (stage, page) => {
    await page.goto(`${stage.issuer}/nothing-is-here`)
    await page.locator('#error').waitFor()
  },
  'error-login-expired': async (stage, page) => {
    await page.goto(`${stage.issuer}/login/AAAAAAAAAAAAAAAAAAAAAAAAAA`)
    await page.locator('#error').waitFor()
  },
  logout: async (stage, page) => {
    await signIn(stage, page, { at: 'local', as: stage.eve })
    await page.goto(`${stage.issuer}/logout`)
    await page.locator('#logout').waitFor()
  },
  'logged-out': async (stage, page) => {
    await signIn(stage, page, { at: 'local', as: stage.eve })
    await page.goto(`${stage.issuer}/logout`)
    await page.locator('#confirm').click()
    await page.locator('#logged-out').waitFor()
  },
  // The form that submits itself, seen as by somebody whose browser did not run its script.
  post: async (stage, page) => {
    await page.route('**/static/*submit*', (route) => route.abort())
    await page.goto(`${stage.app.origin}/login?response_mode=form_post`)
    await choose(page, 'globex')
    await atGlobex(page, 'ann')
    await page.locator('#post').waitFor()
  },
}

const looks = ['desktop', 'phone'].flatMap((device) => ['light', 'dark'].map((colorScheme) => ({ device, colorScheme })))
const sizes = { desktop: { width: 1280, height: 900 }, phone: { width: 390, height: 844 } }

/** Goes to every page and has it seen in every look: on a desktop and a phone, light and dark. */
export async function tour(stage, see) {
  for (const [name, way] of Object.entries(pages)) {
    await stage.visit(`tour-${name}`, async (page) => {
      await way(stage, page)
      await page.mouse.move(0, 0)
      for (const { device, colorScheme } of looks) {
        await page.setViewportSize(sizes[device])
        await page.emulateMedia({ colorScheme })
        await see(page, `${name}-${device}-${colorScheme}`)
      }
    }, { deviceScaleFactor: 2, reducedMotion: 'reduce' })
  }
}
