/** The scheduled task of Windows: a service of its own kind would need another program around Node. */
import { win32 } from 'node:path'
import { escapeXml, SERVICE_DESCRIPTION, SERVICE_NAME, type ServiceParts, type ServicePlan } from './plan.js'

/** The account of Windows for services without rights over the machine. */
const LOCAL_SERVICE = 'S-1-5-19'

/** How the task scheduler runs hyper-nat. */
export function windowsPlan(parts: ServiceParts): ServicePlan {
  const path = win32.join(parts.config, 'hyper-nat-task.xml')
  const task = ['/TN', SERVICE_NAME]
  return {
    install: [
      // The task scheduler reads UTF-16 alone, with the mark at its start.
      { do: 'write', path, text: `\ufeff${windowsTask(parts)}`, mode: 0o600, encoding: 'utf16le' },
      { do: 'run', command: ['schtasks', '/End', ...task], mayFail: true },
      { do: 'run', command: ['schtasks', '/Create', ...task, '/XML', path, '/F'] },
      { do: 'run', command: ['schtasks', '/Run', ...task] }
    ],
    uninstall: [
      { do: 'run', command: ['schtasks', '/End', ...task], mayFail: true },
      { do: 'run', command: ['schtasks', '/Delete', ...task, '/F'] },
      { do: 'remove', path }
    ],
    status: ['schtasks', '/Query', ...task, '/V', '/FO', 'LIST'],
    notes:
      parts.scope === 'system'
        ? [
            'Run this as an administrator.',
            `The task runs as "Local Service", which must be able to read ${parts.options}, Node and hyper-nat.`
          ]
        : []
  }
}

/** The text of the task. */
export function windowsTask({ scope, program, options, account }: ServiceParts): string {
  const system = scope === 'system'
  const user = `<UserId>${escapeXml(account)}</UserId>`
  // Without a window that is closed by mistake.
  const argumentsOf = ['--headless', ...program, '-c', options].map(quoted).join(' ')
  return [
    '<?xml version="1.0" encoding="UTF-16"?>',
    '<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">',
    `  <RegistrationInfo><Description>${escapeXml(SERVICE_DESCRIPTION)}</Description></RegistrationInfo>`,
    '  <Triggers>',
    system
      ? '    <BootTrigger><Enabled>true</Enabled></BootTrigger>'
      : `    <LogonTrigger><Enabled>true</Enabled>${user}</LogonTrigger>`,
    '  </Triggers>',
    '  <Principals>',
    system
      ? `    <Principal id="Author"><UserId>${LOCAL_SERVICE}</UserId><RunLevel>LeastPrivilege</RunLevel></Principal>`
      : `    <Principal id="Author">${user}<LogonType>InteractiveToken</LogonType><RunLevel>LeastPrivilege</RunLevel></Principal>`,
    '  </Principals>',
    '  <Settings>',
    '    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>',
    '    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>',
    '    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>',
    '    <AllowHardTerminate>true</AllowHardTerminate>',
    '    <StartWhenAvailable>true</StartWhenAvailable>',
    '    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>',
    '    <Priority>5</Priority>',
    '    <RestartOnFailure><Interval>PT1M</Interval><Count>999</Count></RestartOnFailure>',
    '  </Settings>',
    '  <Actions Context="Author">',
    `    <Exec><Command>conhost.exe</Command><Arguments>${escapeXml(argumentsOf)}</Arguments></Exec>`,
    '  </Actions>',
    '</Task>',
    ''
  ].join('\r\n')
}

/** A path in quotes; Windows allows none in it. */
function quoted(word: string): string {
  return /\s/.test(word) ? `"${word}"` : word
}
