; The installer for Windows: for this user alone, so that nobody needs to be an administrator.
; makensis -DVERSION=.. -DPROGRAM=.. -DFOLDER=.. -DICON=.. -DOUT=.. -DCOMPRESSION=lzma -DTARGET=amd64-unicode installer.nsi
Target ${TARGET}
SetCompressor /SOLID ${COMPRESSION}
SetDateSave off
!include "MUI2.nsh"
!include "FileFunc.nsh"
!include "LogicLib.nsh"

!define KEY "Software\Microsoft\Windows\CurrentVersion\Uninstall\hyper-nat"
!define OPTIONS "$APPDATA\hyper-nat\Config"

Name "hyper-nat"
OutFile "${OUT}"
RequestExecutionLevel user
InstallDir "$LOCALAPPDATA\Programs\hyper-nat"
InstallDirRegKey HKCU "${KEY}" "InstallLocation"
BrandingText " "
VIProductVersion "${VERSION}.0"
VIAddVersionKey "ProductName" "hyper-nat"
VIAddVersionKey "ProductVersion" "${VERSION}"
VIAddVersionKey "FileVersion" "${VERSION}"
VIAddVersionKey "FileDescription" "hyper-nat setup"
VIAddVersionKey "LegalCopyright" "MIT License"

!define MUI_ICON "${ICON}"
!define MUI_UNICON "${ICON}"
!define MUI_FINISHPAGE_RUN
!define MUI_FINISHPAGE_RUN_TEXT "Open hyper-nat in the browser"
!define MUI_FINISHPAGE_RUN_FUNCTION Open
!insertmacro MUI_PAGE_INSTFILES
!insertmacro MUI_PAGE_FINISH
!insertmacro MUI_UNPAGE_CONFIRM
!insertmacro MUI_UNPAGE_INSTFILES
!insertmacro MUI_LANGUAGE "English"

; PATH may be longer than a string of NSIS, which would cut it off. It is read and written in memory of its own; registers:
; 1 type, 2 bytes, 3 the text, 4 the text between semicolons, 5 where the folder is in there.
!define HKCU_KEY "p 0x80000001"
!define ANY_TEXT 0x10000006

!macro ReadPath
  StrCpy $1 2
  StrCpy $2 0
  System::Call 'advapi32::RegGetValueW(${HKCU_KEY}, w "Environment", w "Path", i ${ANY_TEXT}, *i .r1, p 0, *i .r2) i .r0'
  ${If} $0 <> 0
    StrCpy $1 2
    StrCpy $2 0
  ${EndIf}
  IntOp $6 $2 + 4096
  System::Call '*(&i$6 0) p .r3'
  System::Call '*(&i$6 0) p .r4'
  ${If} $2 > 0
    System::Call 'advapi32::RegGetValueW(${HKCU_KEY}, w "Environment", w "Path", i ${ANY_TEXT}, *i .r1, p r3, *i r2) i .r0'
  ${EndIf}
  System::Call 'kernel32::lstrcpyW(p r4, w ";")'
  System::Call 'kernel32::lstrcatW(p r4, p r3)'
  System::Call 'kernel32::lstrcatW(p r4, w ";")'
  System::Call 'shlwapi::StrStrIW(p r4, w ";$INSTDIR;") p .r5'
!macroend

!macro WritePath TEXT
  System::Call 'kernel32::lstrlenW(p ${TEXT}) i .r6'
  IntOp $6 $6 + 1
  IntOp $6 $6 * 2
  System::Call 'advapi32::RegSetKeyValueW(${HKCU_KEY}, w "Environment", w "Path", i r1, p ${TEXT}, i r6) i .r0'
  SendMessage 0xFFFF 0x001A 0 "STR:Environment" /TIMEOUT=5000
!macroend

!macro FreePath
  System::Free $3
  System::Free $4
!macroend

Function AddToPath
  !insertmacro ReadPath
  ${If} $5 P= 0
    System::Call 'kernel32::lstrlenW(p r3) i .r6'
    ${If} $6 > 0
      ; Its last character: there may be a semicolon already.
      IntOp $7 $6 * 2
      IntPtrOp $7 $3 + $7
      IntPtrOp $7 $7 - 2
      System::Call '*$7(&i2 .r8)'
      ${If} $8 <> 59
        System::Call 'kernel32::lstrcatW(p r3, w ";")'
      ${EndIf}
    ${EndIf}
    System::Call 'kernel32::lstrcatW(p r3, w "$INSTDIR")'
    !insertmacro WritePath r3
  ${EndIf}
  !insertmacro FreePath
FunctionEnd

Function un.RemoveFromPath
  !insertmacro ReadPath
  ${If} $5 P<> 0
    ; What is before it, without the semicolon in front of all, and what is behind.
    IntPtrOp $6 $5 - $4
    IntOp $6 $6 / 2
    System::Call 'kernel32::lstrlenW(w ";$INSTDIR") i .r7'
    IntOp $7 $7 * 2
    IntPtrOp $7 $5 + $7
    IntPtrOp $8 $4 + 2
    ${If} $6 = 0
      ; It is the first: nothing is before it.
      System::Call 'kernel32::lstrcpyW(p r3, w "")'
      IntPtrOp $7 $7 + 2
    ${Else}
      System::Call 'kernel32::lstrcpynW(p r3, p r8, i r6)'
    ${EndIf}
    System::Call 'kernel32::lstrcatW(p r3, p r7)'
    ; The semicolon behind all.
    System::Call 'kernel32::lstrlenW(p r3) i .r6'
    ${If} $6 > 0
      IntOp $7 $6 * 2
      IntPtrOp $7 $3 + $7
      IntPtrOp $7 $7 - 2
      System::Call '*$7(&i2 .r8)'
      ${If} $8 = 59
        System::Call '*$7(&i2 0)'
      ${EndIf}
    ${EndIf}
    !insertmacro WritePath r3
  ${EndIf}
  !insertmacro FreePath
FunctionEnd

; Windows replaces no program that runs.
!macro RemoveProgram
  ${Do}
    ClearErrors
    Delete "$INSTDIR\hyper-nat.exe"
    ${IfNot} ${FileExists} "$INSTDIR\hyper-nat.exe"
      ${Break}
    ${EndIf}
    MessageBox MB_RETRYCANCEL|MB_ICONEXCLAMATION "hyper-nat is running. Close its windows, then press Retry." /SD IDCANCEL IDRETRY +3
    SetErrorLevel 2
    Abort "hyper-nat is running."
  ${Loop}
!macroend

Function Open
  ExecShell "" "$SMPROGRAMS\hyper-nat.lnk"
FunctionEnd

Section
  !insertmacro RemoveProgram
  SetOutPath "$INSTDIR"
  File /oname=hyper-nat.exe "${PROGRAM}"
  File "${FOLDER}\LICENSE.txt"
  File "${FOLDER}\LICENSES.txt"
  File "${FOLDER}\README.md"
  File "${FOLDER}\options.example.json"
  WriteUninstaller "$INSTDIR\uninstall.exe"
  ; Where the page keeps what it is told, wherever it was started from.
  CreateDirectory "${OPTIONS}"
  SetOutPath "${OPTIONS}"
  CreateShortcut "$SMPROGRAMS\hyper-nat.lnk" "$INSTDIR\hyper-nat.exe" 'ui -c "${OPTIONS}\options.json"'
  Call AddToPath
  WriteRegStr HKCU "${KEY}" "DisplayName" "hyper-nat"
  WriteRegStr HKCU "${KEY}" "DisplayVersion" "${VERSION}"
  WriteRegStr HKCU "${KEY}" "DisplayIcon" "$INSTDIR\hyper-nat.exe"
  WriteRegStr HKCU "${KEY}" "InstallLocation" "$INSTDIR"
  WriteRegStr HKCU "${KEY}" "UninstallString" '"$INSTDIR\uninstall.exe"'
  WriteRegStr HKCU "${KEY}" "QuietUninstallString" '"$INSTDIR\uninstall.exe" /S'
  WriteRegDWORD HKCU "${KEY}" "NoModify" 1
  WriteRegDWORD HKCU "${KEY}" "NoRepair" 1
  ${GetSize} "$INSTDIR" "/S=0K" $0 $1 $2
  WriteRegDWORD HKCU "${KEY}" "EstimatedSize" "$0"
SectionEnd

; Options stay: they hold secrets, and friends' tickets.
Section Uninstall
  !insertmacro RemoveProgram
  Delete "$INSTDIR\LICENSE.txt"
  Delete "$INSTDIR\LICENSES.txt"
  Delete "$INSTDIR\README.md"
  Delete "$INSTDIR\options.example.json"
  Delete "$INSTDIR\uninstall.exe"
  RMDir "$INSTDIR"
  Delete "$SMPROGRAMS\hyper-nat.lnk"
  RMDir /r "$LOCALAPPDATA\hyper-nat\Cache"
  RMDir "$LOCALAPPDATA\hyper-nat"
  Call un.RemoveFromPath
  DeleteRegKey HKCU "${KEY}"
SectionEnd
