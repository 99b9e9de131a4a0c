import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { Clock } from '../../handlers/handler.js'
import { DEVICES_MAX, putDevice, removeDevice } from '../../handlers/user-records.js'
import type { Device, UserStore } from '../../store/store.js'
import { errorBody, HttpError, notFound } from '../errors.js'
import { optionalText, text } from '../fields.js'

const deviceBody = z.object({
  id: z.uuid(),
  hardware_id: z.string(),
  firmware_version: z.string(),
  hardware_model: z.string(),
  paired_at: z.string(),
  created_at: z.string(),
  updated_at: z.string(),
})

const deviceInput = z.object({
  hardware_id: text(128).refine((id) => id.trim() !== '', 'is empty'),
  firmware_version: optionalText(64),
  hardware_model: optionalText(64),
  paired_at: optionalText(40),
})

/** The user's wearables. One entry per hardware id. */
export function deviceRoutes({ users, clock }: { users: UserStore; clock: Clock }): FastifyPluginAsyncZod {
  return async (app) => {
    app.get(
      '/devices',
      { schema: { summary: 'Own devices', response: { 200: z.object({ devices: z.array(deviceBody) }) } } },
      async ({ principal }) => ({ devices: (await users.read(principal)).devices.map(view) }),
    )

    app.post(
      '/devices',
      {
        schema: {
          summary: 'Register a device, or update the one with this hardware id',
          body: deviceInput,
          response: { 200: z.object({ device: deviceBody }), 422: errorBody },
        },
      },
      async ({ principal, body }) => {
        const input = {
          hardwareId: body.hardware_id,
          firmwareVersion: body.firmware_version,
          hardwareModel: body.hardware_model,
          // Clients parse it; what is no time counts as not said.
          pairedAt: Number.isNaN(Date.parse(body.paired_at)) ? '' : body.paired_at,
        }
        const device = await users.change(principal, putDevice(input, clock.now().toISOString()))
        if (!device)
          throw new HttpError(422, 'validation_error', `devices: a user has at most ${DEVICES_MAX}`)
        return { device: view(device) }
      },
    )

    app.delete(
      '/devices/:id',
      {
        schema: {
          summary: 'Remove a device',
          params: z.object({ id: z.string() }),
          response: { 204: z.null(), 404: errorBody },
        },
      },
      async ({ principal, params }, reply) => {
        if (!(await users.change(principal, removeDevice(params.id)))) throw notFound('device')
        return reply.status(204).send(null)
      },
    )
  }
}

export function view(device: Device): z.infer<typeof deviceBody> {
  return {
    id: device.id,
    hardware_id: device.hardwareId,
    firmware_version: device.firmwareVersion,
    hardware_model: device.hardwareModel,
    paired_at: device.pairedAt,
    created_at: device.createdAt,
    updated_at: device.updatedAt,
  }
}
